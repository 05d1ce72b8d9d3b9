"""Files: plain names, links that stay links, devices that are left alone, JSON that is checked."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from saymask.errors import InputError
from saymask.util.files import atomic_path, check_writable, file_name, parse_object, write_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["scene0011_00", "my room (2)", "küche", "a.b-c+d"])
def test_plain_names_are_file_names(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "C:x", ".hidden", "a\0b", "a\nb", "x" * 201, "ü" * 101, 5],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(InputError, match="scene: expected a plain name"):
        file_name(name, "scene")


def test_an_output_through_a_link_keeps_the_link(tmp_path):
    target, link = tmp_path / "there" / "a.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("new", "newer"):  # the target is not there yet; then it is
        write_text(check_writable(link), text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "link.txt", "there"]
    other = tmp_path / "result.laz"
    other.symlink_to(tmp_path / "there" / "current")
    with atomic_path(other) as temporary:
        assert temporary.suffix == ".laz"


def test_links_that_lead_nowhere(tmp_path):
    loop = tmp_path / "loop.txt"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="a link to itself"):
        write_text(loop, "x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InputError, match="got a folder"):
        check_writable(tmp_path / "link")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_devices_and_pipes_are_never_replaced(tmp_path):
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    (tmp_path / "link.txt").symlink_to(pipe)
    for path in (pipe, tmp_path / "link.txt"):
        for attempt in (check_writable, lambda path: write_text(path, "x")):
            with pytest.raises(InputError, match="a device or a pipe"):
                attempt(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    "text", ["[]", "1", '{"a": "1"}', '{"a": true}', '{"a"', "[" * 100_000, "9" * 9_999, b"\xff\xfe{"]
)
def test_json_of_another_shape_is_refused(text):
    with pytest.raises(InputError, match=r"^here: expected"):
        parse_object(text, "here", a=int)


def test_json_of_the_right_shape():
    assert parse_object('{"a": 1, "b": []}', "here", a=int, b=(list, dict)) == {"a": 1, "b": []}


LIMIT = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import numpy as np
from saymask.util.files import atomic_path

def text(path):
    path.write_text("x" * 50_000)

def tensors(path):
    from safetensors.numpy import save_file
    save_file({"a": np.zeros(50_000)}, path)

def state(path):
    import torch
    with open(path, "wb") as file:
        torch.save({"a": torch.zeros(50_000)}, file)

try:
    with atomic_path(Path(sys.argv[2])) as temporary:
        globals()[sys.argv[1]](temporary)
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs limits of files' sizes")
@pytest.mark.parametrize("writer", ["text", "tensors", "state"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, writer):
    """A limit of size stops a writer as a full disk does."""
    path = tmp_path / "old.safetensors"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", LIMIT, writer, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"[Errno 27] File too large: '{path}'\n", done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [path.name]


def test_other_errors_are_what_they_were(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "nowhere").read_text()
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.txt"):
        print(1 // 0)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "ü" * 125 + ".txt", "a." + "x" * 200, "\udcff.txt"])
def test_any_name_that_the_system_takes(tmp_path, name):
    write_text(check_writable(tmp_path / name), "\udcff")
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "\\udcff"


def test_names_that_the_system_refuses(tmp_path):
    with pytest.raises(InputError, match="name too long"):
        check_writable(tmp_path / ("x" * 300))
