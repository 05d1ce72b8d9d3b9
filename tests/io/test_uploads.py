"""Files of strangers: names, sizes, kinds, a process with limits, and no way to other files."""

import json

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.beside import find_beside, only_below
from saymask.io.read_apart import read_apart
from saymask.io.uploads import check_kind, check_size, display_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("room.ply", "room.ply"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\my room (2).obj", "my room (2).obj"),
        ('<img src="x">.ply', "img srcx.ply"),
        ("..", "upload"),
        ("a\0b\n.ply", "ab.ply"),
        ("x" * 300 + ".ply", "x" * 76 + ".ply"),
    ],
)
def test_names(name, shown):
    assert display_name(name) == shown


def test_sizes():
    with pytest.raises(InputError, match="got an empty one"):
        check_size("a.ply", 0)
    with pytest.raises(InputError, match="at most 512 MB, got 513 MB"):
        check_size("a.ply", 513 * 2**20)


def test_sizes_of_ones_own():
    check_size("a.ply", 1000, 1000)
    with pytest.raises(InputError, match=r"at most 0\.5 MB, got 1 MB"):
        check_size("a.ply", 2**20, 2**19)


def test_kinds():
    assert check_kind("A.PLY") == ".ply"
    with pytest.raises(InputError, match=r"expected a scan \(.*, got \.exe"):
        check_kind("a.ply.exe")


def test_reading_ends_at_its_limits(tmp_path):
    path = tmp_path / "upload.xyz"
    path.write_text("0 0 0\n" * 200)
    with pytest.raises(InputError, match=r"more than 0\.01 s"):
        read_apart(path, seconds=0.01)
    with pytest.raises(InputError, match="memory"):
        read_apart(path, memory=40 * 2**20)


def test_facts(tmp_path):
    path = tmp_path / "room.xyz"
    points = np.random.default_rng(0).random((300, 3)) * [400, 300, 200]
    np.savetxt(path, points, "%.2f")
    facts = read_apart(path, unit="cm", up="z")
    assert facts.points == 300
    assert np.allclose(facts.low, points.min(0) / 100, atol=1e-3)
    assert np.allclose(facts.high, points.max(0) / 100, atol=1e-3)
    assert (facts.mesh, facts.colors) == (False, False)


def test_nothing_outside_is_found(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"x")
    (inside / "own.bin").write_bytes(b"x")
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    ways = ("../secret.bin", str(tmp_path / "secret.bin"), "%2e%2e/secret.bin", "link.bin", "LINK.bin")
    assert all(find_beside(inside, name) for name in ways)
    with only_below(inside):
        assert not any(find_beside(inside, name) for name in ways)
        assert find_beside(inside, "../own.bin") == inside / "own.bin"  # its last part
        assert find_beside(inside, "own.bin") == inside / "own.bin"


def test_a_strangers_scan_cannot_read_other_files(tmp_path):
    """A glTF whose points are the bytes of a file that lies elsewhere."""
    points = np.random.default_rng(0).random((300, 3), np.float32)
    (tmp_path / "secret.bin").write_bytes(points.tobytes())
    folder = tmp_path / "upload"
    folder.mkdir()
    path = folder / "upload.gltf"
    triangles = np.arange(300, dtype=np.uint32)
    form = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"uri": "../secret.bin", "byteLength": points.nbytes},
                    {"uri": "own.bin", "byteLength": triangles.nbytes}],
        "bufferViews": [{"buffer": i, "byteOffset": 0, "byteLength": n} for i, n in ((0, 3600), (1, 1200))],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 300, "type": "VEC3"},
                      {"bufferView": 1, "componentType": 5125, "count": 300, "type": "SCALAR"}],
    }  # fmt: skip
    (folder / "own.bin").write_bytes(triangles.tobytes())
    path.write_text(json.dumps(form))
    assert read_apart(path, below=tmp_path).points > 0  # where it may
    with pytest.raises(InputError, match=r"secret\.bin.* no such file"):
        read_apart(path)
