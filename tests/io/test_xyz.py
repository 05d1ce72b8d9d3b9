import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.xyz import read_text
from tests.io.rooms import bumpy


def lines(table, separator=" ", header=None, fmt="%.6f"):
    rows = [separator.join(fmt % v if isinstance(v, float) else str(v) for v in row) for row in table]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


def with_rgb(n=50, seed=0):
    points = bumpy(n, seed).astype(float).round(6)
    rgb = np.random.default_rng(seed).integers(0, 256, (n, 3))
    return points, rgb, [[*map(float, p), *map(int, c)] for p, c in zip(points, rgb)]


@pytest.mark.parametrize("separator", [" ", "  ", "\t", ",", ";", ", "])
@pytest.mark.parametrize("header", [None, "x y z red green blue", "// X Y Z R G B", "# x y z r g b"])
def test_separators_and_headers(tmp_path, separator, header):
    points, rgb, table = with_rgb()
    if header:
        header = (
            header.replace(" ", separator)
            if not header.startswith(("/", "#"))
            else header[:3] + header[3:].replace(" ", separator)
        )
    (tmp_path / "a.csv").write_text(lines(table, separator, header))
    cloud = read_text(tmp_path / "a.csv")
    np.testing.assert_allclose(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, rgb)
    assert list(cloud.columns)[:3] == ["x", "y", "z"]


def test_pts_with_count_and_intensity_before_colours(tmp_path):
    points, rgb, _ = with_rgb()
    table = [[*map(float, p), -1234 + i, *map(int, c)] for i, (p, c) in enumerate(zip(points, rgb))]
    (tmp_path / "a.pts").write_text(f"{len(table)}\n" + lines(table))
    cloud = read_text(tmp_path / "a.pts")
    assert len(cloud.points) == 50
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["intensity"], np.arange(50) - 1234)


def test_normals_and_colours_are_told_apart_without_a_header(tmp_path):
    points, rgb, _ = with_rgb()
    normals = points / np.linalg.norm(points, axis=1, keepdims=True) * [1, -1, 1]
    for order in ("cn", "nc"):
        parts = {"c": rgb, "n": normals}
        table = np.concatenate([points, parts[order[0]], parts[order[1]]], 1)
        np.savetxt(tmp_path / "a.txt", table, fmt="%.8f")
        cloud = read_text(tmp_path / "a.txt")
        np.testing.assert_array_equal(cloud.colors, rgb)
        np.testing.assert_allclose(cloud.normals, normals, atol=1e-6)


def test_decimal_commas_and_columns_in_another_order(tmp_path):
    text = "label;Z;Y;X\n" + "".join(f"{i};1,{i:02d};2,5;{i},25\n" for i in range(20))
    (tmp_path / "a.csv").write_text(text)
    cloud = read_text(tmp_path / "a.csv")
    np.testing.assert_allclose(cloud.points[:, 0], np.arange(20) + 0.25)
    np.testing.assert_allclose(cloud.points[:, 2], 1 + np.arange(20) / 100)
    np.testing.assert_array_equal(cloud.columns["label"], np.arange(20))


def test_numbers_keep_their_value_to_the_last_digit(tmp_path):
    values = np.random.default_rng(0).normal(size=(30, 3)) * 1e6
    (tmp_path / "a.xyz").write_text("\n".join(" ".join(repr(float(v)) for v in row) for row in values))
    np.testing.assert_array_equal(read_text(tmp_path / "a.xyz").points, values)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 2", r"line 11: expected 3 columns .* got 2"),
        ("1 2 x", r"line 11: expected numbers, got 'x'"),
        ("1 2 3 4", "line 11"),
    ],
)
def test_errors_name_the_line(tmp_path, line, words):
    rows = [f"{i} 1 2" for i in range(20)]
    rows[10] = line
    (tmp_path / "a.xyz").write_text("\n".join(rows))
    with pytest.raises(InputError, match=words):
        read_text(tmp_path / "a.xyz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello world\n", "line 1"),
        ("\n\n", "expected lines of numbers"),
        ("1 2\n3 4\n", "at least three columns"),
        ("a b c\n1 2 3\n", "columns named x, y, z"),
        ("x y z r\n1 2 3\n", "expected 4 columns"),
        ("\x00\x01\x02binary", "line 1"),
    ],
)
def test_what_is_no_point_file(tmp_path, text, words):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        read_text(tmp_path / "a.txt")
