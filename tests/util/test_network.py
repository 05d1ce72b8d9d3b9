"""Downloads: whole or not at all, resumed where they were cut off, and every other answer named."""

import hashlib
import os
import socket
import time

import pytest

from saymask.errors import InputError
from saymask.util import network
from saymask.util.network import UnreachableError, check_reachable, download
from tests.util.server import served

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(network, "WAIT_SECONDS", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as site:
        site.files["/a.pth"] = CONTENT
        yield site


def left(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_a_whole_file(tmp_path, site):
    steps = []
    found = download(f"{site.address}/a.pth", tmp_path / "x" / "a.pth", done=lambda *step: steps.append(step))
    assert found == SHA256
    assert (tmp_path / "x" / "a.pth").read_bytes() == CONTENT
    assert left(tmp_path / "x") == ["a.pth"]
    assert steps[-1] == (300_000, 300_000)


def test_cut_off_in_the_middle_it_goes_on(tmp_path, site):
    site.cuts = [100_000, 50_000]
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth", sha256=SHA256, size=300_000) == SHA256
    assert [asked for _, asked in site.seen] == ["", "bytes=100000-", "bytes=150000-"]


def test_a_run_that_gave_up_is_gone_on_with(tmp_path, site, monkeypatch):
    monkeypatch.setattr(network, "TRIES", 3)
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(UnreachableError, match=r"3 attempts in vain; 100,000 bytes are kept"):
        download(f"{site.address}/a.pth", tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()
    site.cuts, site.seen = [], []
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == SHA256
    assert site.seen == [("/a.pth", "bytes=100000-")]
    assert left(tmp_path) == ["a.pth"]


def test_another_version_on_the_server_is_begun_anew(tmp_path, site, monkeypatch):
    monkeypatch.setattr(network, "TRIES", 1)
    site.cuts = [100_000, 0]
    with pytest.raises(UnreachableError):
        download(f"{site.address}/a.pth", tmp_path / "a.pth")
    site.cuts, site.mark, site.files["/a.pth"] = [], '"two"', CONTENT[::-1]
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_servers_without_ranges_begin_anew(tmp_path, site):
    site.ranges, site.cuts = False, [100_000]
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == SHA256


@pytest.mark.parametrize("kept", [CONTENT, CONTENT + b"more"])
def test_what_is_kept_may_be_whole_or_too_long(tmp_path, site, kept):
    (tmp_path / "a.pth.part").write_bytes(kept)
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == SHA256


def test_wrong_hash_and_wrong_size(tmp_path, site):
    with pytest.raises(InputError, match=f"expected a file with sha256 {'0' * 64}, got {SHA256}; it was thrown away"):
        download(f"{site.address}/a.pth", tmp_path / "a.pth", sha256="0" * 64)
    assert left(tmp_path) == []
    with pytest.raises(InputError, match="expected 299,999 bytes, the server has 300,000"):
        download(f"{site.address}/a.pth", tmp_path / "a.pth", size=299_999)


def test_answers_that_are_no_file(tmp_path, site):
    with pytest.raises(InputError, match="the server answers 404"):
        download(f"{site.address}/b.pth", tmp_path / "b.pth")
    assert len(site.seen) == 1
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="expected a file, got a web page"):
        download(f"{site.address}/a.pth", tmp_path / "a.pth")
    with pytest.raises(InputError, match="begins with https://"):
        download("ftp://127.0.0.1/a.pth", tmp_path / "a.pth")
    assert left(tmp_path) == []


def test_a_busy_server_is_asked_again(tmp_path, site):
    site.codes = [503, 429]
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == SHA256
    assert len(site.seen) == 3


def test_redirects_are_followed(tmp_path, site):
    site.redirects["/old"] = f"{site.address}/a.pth"
    assert download(f"{site.address}/old", tmp_path / "a.pth") == SHA256


def test_slow_is_not_broken(tmp_path, site, monkeypatch):
    monkeypatch.setattr(network, "READ_SECONDS", 0.5)
    site.pause = 0.15
    assert download(f"{site.address}/a.pth", tmp_path / "a.pth") == SHA256
    site.pause = 0.8
    monkeypatch.setattr(network, "TRIES", 1)
    with pytest.raises(UnreachableError, match="timed out"):
        download(f"{site.address}/a.pth", tmp_path / "b.pth")


def test_a_full_disk_is_said_before(tmp_path, site, monkeypatch):
    monkeypatch.setattr(network.shutil, "disk_usage", lambda _: type("", (), {"free": 1000}))
    with pytest.raises(InputError, match="expected room for 300,000 bytes more"):
        download(f"{site.address}/a.pth", tmp_path / "a.pth")


def test_a_proxy_is_used(tmp_path, site, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", site.address)
    site.files["http://nowhere.invalid/a.pth"] = CONTENT
    assert download("http://nowhere.invalid/a.pth", tmp_path / "a.pth") == SHA256


def test_an_unreachable_machine_is_said_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1 cannot be reached"):
        check_reachable(f"http://127.0.0.1:{closed}")
    monkeypatch.setattr(network.socket, "create_connection", lambda *_, **__: time.sleep(60))  # packets that get lost
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        check_reachable("https://nowhere.invalid/x", 0.2)
    assert time.monotonic() - began < 30  # of the 60 that the answer would take
