"""Scans named by a path, a folder or a pattern, and the names of their results."""

import pytest

from saymask.cli.sources import find_sources
from saymask.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Scans of several kinds in folders, beside files that are none."""
    for name in ("b.ply", "a.ply", "deep/er/c.OBJ", "deep/a.ply", "same.ply", "same.pcd", "deep/.hidden.ply",
                 "notes.md", "model.safetensors", "scenes/s1.safetensors", "scan/scan_vh_clean_2.ply",
                 "scan/scan.labels.ply", ".git/x.ply"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_single_scan_is_itself(folder):
    for path in (folder / "a.ply", folder / "scan", folder / "missing.ply"):
        sources = find_sources(path)
        assert (sources.paths, sources.several) == ((path,), False)
        assert sources.names[path] == path.name.removesuffix(".ply")


def test_a_folder_is_searched(folder):
    sources = find_sources(folder)
    assert sources.several
    assert [path.relative_to(folder).as_posix() for path in sources.paths] == [
        "a.ply", "b.ply", "deep/a.ply", "deep/er/c.OBJ", "same.pcd", "same.ply", "scan", "scenes/s1.safetensors",
    ]  # fmt: skip
    names = [sources.names[path] for path in sources.paths]
    assert names == ["a", "b", "deep/a", "deep/er/c", "same.pcd", "same.ply", "scan", "scenes/s1"]


def test_a_pattern(folder, monkeypatch):
    sources = find_sources(folder / "deep" / "**" / "*.*")
    assert [sources.names[path] for path in sources.paths] == ["a", "er/c"]
    monkeypatch.chdir(folder)
    sources = find_sources(type(folder)("*.ply"))
    assert [str(path) for path in sources.paths] == ["a.ply", "b.ply", "same.ply"]
    assert list(sources.names.values()) == ["a", "b", "same"]
    assert find_sources(type(folder)("sca*")).paths == (type(folder)("scan"),)


def test_a_list(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "list").write_text("deep/er/c.OBJ\n\ndeep/a.ply\ndeep/gone.ply\ndeep/a.ply\n")
    sources = find_sources(type(folder)("@list"))
    assert sources.several
    assert list(sources.names.values()) == ["er/c", "a", "gone"]
    for text, says in (("", "got none"), ("a.ply\n/b.ply", "got both"), (None, "No such file")):
        (folder / "list").unlink(missing_ok=True)
        if text is not None:
            (folder / "list").write_text(text)
        with pytest.raises(InputError, match=f"@list: expected .*{says}"):
            find_sources(type(folder)("@list"))


def test_a_file_may_be_called_like_a_pattern(folder):
    (folder / "room [1].ply").write_bytes(b"x")
    assert not find_sources(folder / "room [1].ply").several


@pytest.mark.parametrize("name", ["empty", "*.e57", "[z]*"])
def test_nothing_there(folder, name):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="got no scan there"):
        find_sources(folder / name)
