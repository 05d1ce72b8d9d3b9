"""Files: plain names, links that stay links, devices that are left alone, JSON that is checked."""

import os
import stat

import pytest

from saymask.errors import InputError
from saymask.util.files import atomic_path, check_writable, file_name, parse_object, write_text


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
