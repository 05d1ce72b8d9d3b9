"""Loading, listing and forgetting scans; what is no scan, or lies elsewhere; and what a restart finds."""

import json
import os

import httpx
import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.read_apart import Facts
from saymask.server.client import Client
from saymask.server.refusal import Refusal
from saymask.server.store import RECORD, Store, upload_name
from tests.server.serving import running, same, write_cloud


@pytest.mark.usefixtures("read_here")
def test_load_list_forget(quick):
    client = quick.client
    assert client.scans() == []
    first, second = client.load("a.ply"), client.load("more/c.ply", unit="m", up="z")
    assert (first.info.name, first.info.path, first.info.points) == ("a.ply", "a.ply", 3000)
    assert (second.info.unit, second.info.up) == ("m", "z")
    assert [scan.id for scan in client.scans()] == [first.id, second.id]
    assert client.scene(first.id).info == first.info
    assert client.load("./more/../a.ply").id == first.id  # one and the same
    assert client.load("more/c.ply").id != second.id  # read in another way
    first.forget()
    assert first.id not in [scan.id for scan in client.scans()]
    for again in (first.forget, lambda: client.scene(first.id), lambda: first.refer("a box")):
        with pytest.raises(Refusal, match="there is none with the id") as refusal:
            again()
        assert refusal.value.status == 404
    assert (quick.service.store.root / "a.ply").is_file()


@pytest.mark.usefixtures("read_here")
def test_status_says_whether_it_is_new(quick, scans):
    content = (scans / "a.ply").read_bytes()
    codes = [httpx.post(f"{quick.url}/scans", json={"path": "a.ply"}).status_code for _ in range(2)]
    codes += [
        httpx.post(f"{quick.url}/scans/upload", params={"name": "a.ply"}, content=content, timeout=60).status_code
        for _ in range(2)
    ]
    assert codes == [201, 200, 201, 200]


@pytest.mark.usefixtures("read_here")
def test_an_upload_is_kept_and_deleted(quick, scans):
    remote = quick.client.upload(scans / "a.ply", name="../../my room (2).ply")
    assert (remote.info.name, remote.info.path) == ("my room (2).ply", None)
    kept = quick.service.store.folder / remote.id / "my room (2).ply"
    assert kept.read_bytes() == (scans / "a.ply").read_bytes()
    assert remote.refer("a box").scan == "my room (2)"
    assert quick.client.scene(remote.id).info.encoded
    remote.forget()
    assert list(quick.service.store.folder.iterdir()) == []
    assert len(quick.service.scenes) == 0


@pytest.mark.usefixtures("read_here")
@pytest.mark.parametrize(
    "path", ["../secret.ply", "/etc/passwd", "more/../../secret.ply", "link.ply", "linked/secret.ply", "~/secret.ply"]
)
def test_nothing_outside_the_root_is_read(quick, scans, path):
    secret = write_cloud(scans.parent / "secret.ply")
    (scans / "link.ply").symlink_to(secret)
    (scans / "linked").symlink_to(scans.parent)
    with pytest.raises(Refusal) as refusal:
        quick.client.load(path)
    assert refusal.value.status == (404 if path.startswith("~") else 403)
    assert str(scans) not in str(refusal.value)
    assert quick.client.scans() == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nothing.ply", 404, "there is no 'nothing.ply' below the server's root"),
        ("a\0.ply", 404, "there is no"),
        ("more", 422, "more: expected a scan file or a ScanNet scan folder"),
        ("letter.txt", 422, "letter.txt: "),
        ("weights.pth", 422, "expected a scan with one of the suffixes"),
        (".", 422, "expected a scan file or a ScanNet scan folder"),
    ],
)
def test_what_is_no_scan_below_the_root(quick, scans, path, status, words):
    (scans / "letter.txt").write_text("Dear all,\nthis is no scan.\n")
    (scans / "weights.pth").write_bytes(b"\x80\x02}")
    with pytest.raises(Refusal) as refusal:
        quick.client.load(path)
    assert words in str(refusal.value)
    assert refusal.value.status == status
    assert str(scans) + os.sep not in str(refusal.value)


@pytest.mark.usefixtures("read_here")
def test_without_a_root_no_path_is_read(quick_model, scans, tmp_path):
    (tmp_path / "data").mkdir()
    with running(quick_model, tmp_path / "data") as server, pytest.raises(Refusal, match="without --root") as refusal:
        server.client.load("a.ply")
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("letter.ply", b"Dear all,\nthis is no scan.\n", "letter.ply is no scan: "),
        ("empty.ply", b"", "empty.ply: expected a file of at most 512 MB, got an empty one"),
        ("weights.pth", b"\x80\x02}", "weights.pth: expected a scan"),
        ("few.xyz", b"0 0 0\n1 1 1\n", "few.xyz is no scan: "),
    ],
)
def test_what_is_no_scan_is_said_and_not_kept(quick, tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Refusal, match=words) as refusal:
        quick.client.upload(path)
    assert refusal.value.status == 422
    assert list(quick.service.store.folder.iterdir()) == []
    assert str(quick.service.store.folder) not in str(refusal.value)


def test_an_upload_cannot_name_files_of_the_server(quick, tmp_path):
    """A glTF whose points would be the bytes of a file elsewhere; see `saymask.io.beside`."""
    points = np.random.default_rng(0).random((300, 3), np.float32)
    (tmp_path / "secret.bin").write_bytes(points.tobytes())
    form = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]}],
        "buffers": [{"uri": str(tmp_path / "secret.bin"), "byteLength": 3600}],
        "bufferViews": [{"buffer": 0, "byteLength": 3600}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 300, "type": "VEC3"}],
    }  # fmt: skip
    (tmp_path / "a.gltf").write_text(json.dumps(form))
    with pytest.raises(Refusal, match="no such file"):
        quick.client.upload(tmp_path / "a.gltf")


@pytest.mark.usefixtures("read_here")
def test_uploads_are_limited_in_size(quick_model, scans, tmp_path):
    (tmp_path / "data").mkdir()
    large = tmp_path / "large.ply"
    large.write_bytes(b"x" * (2**20 + 1))
    with running(quick_model, tmp_path / "data", upload_mb=1) as server:
        with pytest.raises(Refusal, match="at most 1 MB") as refusal:
            server.client.upload(large)
        assert refusal.value.status == 413

        def parts():  # without a length that could be checked before
            for _ in range(3):
                yield b"x" * 2**19

        response = httpx.post(f"{server.url}/scans/upload?name=a.ply", content=parts())
        assert response.status_code == 413
        assert list((tmp_path / "data").iterdir()) == []
        assert server.client.upload(scans / "a.ply").info.points == 3000


@pytest.mark.usefixtures("read_here")
def test_scans_are_limited_in_number(quick_model, scans, tmp_path):
    (tmp_path / "data").mkdir()
    with running(quick_model, tmp_path / "data", root=scans, scans=1) as server:
        first = server.client.load("a.ply")
        assert server.client.load("a.ply").id == first.id
        for more in (lambda: server.client.load("b.ply"), lambda: server.client.upload(scans / "b.ply")):
            with pytest.raises(Refusal, match="at most 1 scans; forget one first") as refusal:
                more()
            assert refusal.value.status == 409
        first.forget()
        assert server.client.upload(scans / "b.ply").info.name == "b.ply"


@pytest.mark.usefixtures("read_here")
def test_a_file_that_has_changed_is_not_mistaken(quick, quick_model, scans):
    remote = quick.client.load("a.ply")
    before = remote.refer("a box")
    write_cloud(scans / "a.ply", seed=7)
    with pytest.raises(Refusal, match="has changed since it was loaded") as refusal:
        remote.refer("a box")
    assert refusal.value.status == 409
    again = quick.client.load("a.ply")
    assert again.id == remote.id
    after = again.refer("a box")
    assert after != before
    same(after, quick_model.encode(load_scan(scans / "a.ply", quiet=True)).refer("a box"))
    (scans / "a.ply").unlink()
    with pytest.raises(Refusal, match=r"there is no 'a\.ply'"):
        again.refer("a box")


@pytest.mark.usefixtures("read_here")
def test_encoded_scans_are_let_go_where_memory_is_short(quick_model, scans, tmp_path):
    (tmp_path / "data").mkdir()
    for seed, name in enumerate(("a.ply", "b.ply", "more/c.ply")):
        write_cloud(scans / name, seed, 20_000)
    with running(quick_model, tmp_path / "data", root=scans, memory_mb=1) as server:
        remotes = [server.client.load(name) for name in ("a.ply", "b.ply", "more/c.ply")]
        answers = [remote.refer("a box") for remote in remotes]
        assert server.service.scenes.nbytes > 2**19  # so that two are too much
        assert [scan.info.encoded for scan in server.client.scans()] == [False, False, True]
        assert [remote.refer("a box") for remote in remotes] == answers
        assert "saymask_encode_seconds_count 6.0" in server.client.metrics()


@pytest.mark.usefixtures("read_here")
def test_a_restart_loses_nothing_but_the_cache(quick_model, scans, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with running(quick_model, data, root=scans) as server:
        remotes = [server.client.load("a.ply"), server.client.upload(scans / "b.ply", unit="m")]
        infos = [scan.info.model_copy(update={"encoded": False}) for scan in server.client.scans()]
        answers = [remote.refer("a box") for remote in remotes]
    (data / ".incoming-1").mkdir()  # what a kill during an upload leaves
    (data / ".incoming-1" / "half.ply").write_bytes(b"ply")
    (data / "broken").mkdir()
    (data / "broken" / RECORD).write_text("{")
    with running(quick_model, data, root=scans) as server:
        assert [scan.info for scan in server.client.scans()] == infos
        assert [server.client.scene(remote.id).refer("a box") for remote in remotes] == answers
        assert not (data / ".incoming-1").exists()
        assert len(server.messages) == 1
        assert "broken" in server.messages[0]


def test_names_of_uploads():
    assert upload_name("../a.ply") == "a.ply"
    assert upload_name("é" * 79 + ".ply").endswith(".ply")
    assert len(os.fsencode(upload_name("漢" * 200 + ".ply"))) <= 255
    with pytest.raises(InputError, match="expected a scan"):
        upload_name("scan.json")


def test_a_store_that_is_asked_twice_at_once_has_one(tmp_path, scans):
    (tmp_path / "data").mkdir()
    store = Store(tmp_path / "data", scans, most=1, log=print)

    def read(path, below):
        calls.append(path)
        if len(calls) == 1:
            first.append(store.add_path("a.ply", None, None, read))  # another request is faster
        return Facts.of(load_scan(path, quiet=True))

    calls: list = []
    first: list = []
    stored, new = store.add_path("a.ply", None, None, read)
    assert (stored, new) == (first[0][0], False)
    assert first[0][1]
    assert [p.name for p in (tmp_path / "data").iterdir()] == [stored.id]


def test_the_client_says_what_is_wrong(tmp_path):
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match="start it with `saymask serve`"):
        client.health()
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match="No such file"):
        client.upload(tmp_path / "none.ply")
