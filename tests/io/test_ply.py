import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io.ply import read_ply, write_ply
from tests.io.rooms import bumpy

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]
NAMES = {
    "i1": "char",
    "u1": "uint8",
    "i2": "short",
    "u2": "ushort",
    "i4": "int32",
    "u4": "uint",
    "f4": "float32",
    "f8": "double",
}


def make(path, order, columns, faces=None, comments=(), extra_face=False):
    """Write a PLY in any of the three encodings, independently of the writer under test."""
    kind = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    n = len(next(iter(columns.values())))
    lines = ["ply", f"format {kind} 1.0", *(f"comment {c}" for c in comments), f"element vertex {n}"]
    lines += [f"property {NAMES[v.dtype.str[1:]]} {k}" for k, v in columns.items()]
    if faces is not None:
        lines += [f"element face {len(faces)}"]
        lines += ["property uchar flags"] if extra_face else []
        lines += ["property list uchar int vertex_indices"]
    body = ("\n".join([*lines, "end_header"]) + "\n").encode()
    if order == "":
        rows = [" ".join(repr(v[i].item()) for v in columns.values()) for i in range(n)]
        rows += [
            " ".join(map(str, [*([7] if extra_face else []), len(f), *f])) for f in (faces if faces is not None else [])
        ]
        body += ("\n".join(rows) + "\n").encode()
    else:
        table = np.empty(n, [(k, order + v.dtype.str[1:]) for k, v in columns.items()])
        for k, v in columns.items():
            table[k] = v
        body += table.tobytes()
        for f in faces if faces is not None else []:
            body += (b"\x07" if extra_face else b"") + bytes([len(f)]) + np.asarray(f, order + "i4").tobytes()
    path.write_bytes(body)
    return path


def columns_of(points, **more):
    return {"x": points[:, 0], "y": points[:, 1], "z": points[:, 2], **more}


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("extra_face", [False, True])
def test_every_encoding_keeps_all_columns_and_faces(tmp_path, order, extra_face):
    points = bumpy(50)
    rng = np.random.default_rng(1)
    more = {f"c_{t}": rng.integers(0, 100, 50).astype(t) for t in TYPES}
    faces = rng.integers(0, 50, (20, 3))
    cloud = read_ply(make(tmp_path / "a.ply", order, columns_of(points, **more), faces, ["hello"], extra_face))
    np.testing.assert_array_equal(cloud.points, points)
    assert cloud.points.dtype == np.float32
    assert list(cloud.columns) == ["x", "y", "z", *more]
    for name, values in more.items():
        assert cloud.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(cloud.columns[name], values)
    np.testing.assert_array_equal(cloud.faces, faces)
    assert cloud.extra["comments"] == ["hello"]


@pytest.mark.parametrize("order", ["", "<", ">"])
def test_polygons_become_fans(tmp_path, order):
    faces = [[0, 1, 2], [3, 4, 5, 6], [1, 2, 3, 4, 5], [7, 8, 9]]
    cloud = read_ply(make(tmp_path / "a.ply", order, columns_of(bumpy(10)), faces))
    expected = [[0, 1, 2], [3, 4, 5], [3, 5, 6], [1, 2, 3], [1, 3, 4], [1, 4, 5], [7, 8, 9]]
    np.testing.assert_array_equal(cloud.faces, expected)


@pytest.mark.parametrize("order", ["", "<"])
def test_colours_as_floats_and_normals(tmp_path, order):
    points = bumpy(8)
    colors = np.linspace(0, 1, 24, dtype=np.float32).reshape(8, 3)
    more = {"red": colors[:, 0], "green": colors[:, 1], "blue": colors[:, 2]}
    more |= {"nx": points[:, 0], "ny": points[:, 1], "nz": points[:, 2]}
    cloud = read_ply(make(tmp_path / "a.ply", order, columns_of(points, **more)))
    np.testing.assert_array_equal(cloud.colors, np.rint(colors * 255).astype(np.uint8))
    np.testing.assert_array_equal(cloud.normals, points)


def test_elements_before_and_after_the_vertices_are_passed_over(tmp_path):
    points = bumpy(5)
    header = (
        "ply\r\nformat binary_little_endian 1.0\r\nelement camera 2\r\nproperty float focal\r\nelement path 2\r\n"
        "property list uchar short steps\r\nelement vertex 5\r\nproperty float x\r\nproperty float y\r\n"
        "property float z\r\nelement edge 1\r\nproperty int a\r\nend_header\r\n"
    )
    body = np.zeros(2, "<f4").tobytes() + b"\x02\x01\x00\x02\x00" + b"\x00" + points.tobytes() + b"\0\0\0\0"
    (tmp_path / "a.ply").write_bytes(header.encode() + body)
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").points, points)


def test_triangle_strips(tmp_path):
    header = (
        "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
        "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    )
    rows = "".join(f"{i} {i % 2} 0\n" for i in range(5))
    (tmp_path / "a.ply").write_text(header + rows + "8 0 1 2 3 -1 2 3 4\n")
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").faces, [[0, 1, 2], [2, 1, 3], [2, 3, 4]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.lists(st.sampled_from(TYPES), max_size=5), st.booleans(), st.integers(0, 10**6))
def test_written_files_read_the_same(tmp_path_factory, n, kinds, with_faces, seed):
    rng = np.random.default_rng(seed)
    columns = columns_of(rng.normal(size=(n, 3)).astype("f4"))
    columns |= {f"c{i}": rng.integers(0, 127, n).astype(t) for i, t in enumerate(kinds)}
    faces = rng.integers(0, n, (5, 3)).astype(np.int32) if with_faces and n else None
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    write_ply(path, columns, faces, ["one\ntwo"])
    cloud = read_ply(path)
    assert list(cloud.columns) == list(columns)
    for name, values in columns.items():
        assert cloud.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(cloud.columns[name], values)
    if faces is None:
        assert cloud.faces is None
    else:
        np.testing.assert_array_equal(cloud.faces, faces)
    assert cloud.extra["comments"] == ["one", "two"]


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_is_cut_off_is_an_input_error(tmp_path, order, share):
    faces = np.random.default_rng(0).integers(0, 200, (90, 3))
    path = make(tmp_path / "a.ply", order, columns_of(bumpy(200)), faces)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.ply"):
        read_ply(path)


def test_a_header_that_promises_too_much(tmp_path):
    path = make(tmp_path / "a.ply", "<", columns_of(bumpy(200)))
    path.write_bytes(path.read_bytes().replace(b"vertex 200", b"vertex 99999999999999"))
    with pytest.raises(InputError, match=r"expected 99,999,999,999,999 vertex rows .* got only 200"):
        read_ply(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_list_that_promises_too_much(tmp_path, order):
    path = make(tmp_path / "a.ply", order, columns_of(bumpy(20)), [[0, 1, 2], [0, 1, 2, 3]])
    data = bytearray(path.read_bytes())
    data[-17] = 255  # the length of the last face
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="cut off"):
        read_ply(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b"property float32 z\n", b"property float32 w\n"), "z missing"),
        ((b"ply\n", b"plx\n"), "starting with 'ply'"),
        ((b"format ascii", b"format latin"), "header line"),
        ((b"property float32 x", b"property quad x"), "header line"),
        ((b"end_header", b"end_heaven"), "end_header"),
        ((b"element vertex 20", b"element vertex -3"), "header line"),
    ],
)
def test_bad_headers(tmp_path, change, words):
    path = make(tmp_path / "a.ply", "", columns_of(bumpy(20)))
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(InputError, match=words):
        read_ply(path)


def test_ascii_errors_name_the_line(tmp_path):
    path = make(tmp_path / "a.ply", "", columns_of(bumpy(20)))
    lines = path.read_text().splitlines()
    number = lines.index("end_header") + 3
    for bad in ("1.0 2.0", "1 2 three", "1 2 3 4"):
        broken = [*lines]
        broken[number - 1] = bad
        path.write_text("\n".join(broken) + "\n")
        with pytest.raises(InputError, match=f"line {number}: expected"):
            read_ply(path)


def test_faces_that_point_nowhere(tmp_path):
    path = make(tmp_path / "a.ply", "<", columns_of(bumpy(20)), [[0, 1, 20]])
    with pytest.raises(InputError, match=r"face indices 0\.\.19"):
        read_ply(path)
