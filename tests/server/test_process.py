"""The command: what it says, its token, an end that finishes what it has begun, and a kill that loses no scan."""

import re
import signal
import threading
import time

import pytest

from benchmarks.speed.cases.service import serving
from saymask.errors import InputError
from saymask.server.client import Client
from saymask.server.refusal import Refusal
from tests.cli.test_cli import refused


@pytest.mark.slow
def test_a_kill_loses_nothing_but_the_cache(capsys, scans, tmp_path):
    data = tmp_path / "data"
    with serving("--root", scans, "--data", data) as server:
        with Client(server.url()) as client:
            remotes = [client.load("a.ply"), client.upload(scans / "b.ply")]
            infos = [remote.info for remote in remotes]
            answers = [remote.instances() for remote in remotes]
        server.process.kill()
    again = serving("--root", scans, "--data", data, SAYMASK_TOKEN="my own")
    with again as server, Client(server.url(), token="my own") as client:
        assert [scan.info for scan in client.scans()] == infos  # and none is encoded
        assert [client.scene(info.id).instances() for info in infos] == answers
        with Client(server.url()) as stranger, pytest.raises(Refusal, match="Bearer TOKEN"):
            stranger.scans()
        assert "my own" not in "".join(server.lines)
        assert f"another server uses {data}" in refused(capsys, "serve", "--data", data, "--port", "0")


@pytest.mark.slow
def test_the_end_finishes_what_has_begun(scans, tmp_path):
    (tmp_path / "tmp").mkdir()
    with serving(TMPDIR=str(tmp_path / "tmp")) as server:
        got: list = []
        with Client(server.url()) as client:
            remote = client.upload(scans / "a.ply")
            asking = threading.Thread(target=lambda: got.append(remote.instances()))  # encodes it, which takes a while
            asking.start()
            while client.health().taken == 0 and not got:
                time.sleep(0.005)
            assert not got
            assert server.stop(signal.SIGTERM) == 0
            asking.join()
            assert got[0].points == 3000
            with pytest.raises(InputError, match="no server can be reached"):
                client.health()
    said = "".join(server.lines)
    assert '"event": "stopped"' in said
    assert "Traceback" not in said
    assert list((tmp_path / "tmp").iterdir()) == []  # what was sent is gone


@pytest.mark.slow
def test_other_hosts_need_the_token():
    with serving("--host", "0.0.0.0") as server:
        with Client(server.url()) as client:
            assert client.health().status == "ok"
            with pytest.raises(Refusal, match="Bearer TOKEN"):
                client.scans()
        said = "".join(server.lines)
        assert "warning: others can reach this server" in said
        token = re.search(r"^token: (\S{32,})$", said, re.M)
        assert token is not None
        with Client(server.url(), token=token[1]) as client:
            assert client.scans() == []
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--root", "none/at/all"), "--root: expected a folder with scans"),
        (("--port", "70000"), "--port: expected 0 to 65535"),
        (("--threads", "0"), "--threads: expected at least 1"),
        (("--model", "nosuchmodel"), "nosuchmodel"),
        (("--origins", "example.org"), "--origins: expected pages' servers"),
        (("--device", "abacus"), "abacus"),
    ],
)
def test_mistakes_cost_nothing(capsys, arguments, words):
    assert words in refused(capsys, "serve", *arguments)


def test_an_address_that_is_taken(tmp_path):
    import socket

    from saymask.server.run import _folder, _socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1 port {port}"), _socket("127.0.0.1", port):
            pass
    with pytest.raises(InputError, match="--host: expected an address"), _socket("no such host", 0):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--data: .* cannot be written"), _folder(tmp_path / "file"):
        pass
    with (
        _folder(tmp_path / "data"),
        pytest.raises(InputError, match="another server uses"),
        _folder(tmp_path / "data"),
    ):
        pass
