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


def grey_rgb(n=300, seed=0):
    """Points with colours like those of a room (the channels go together) and a scanner's intensity (on its own)."""
    rng = np.random.default_rng(seed)
    points = bumpy(n, seed).astype(float).round(5)
    base = rng.integers(40, 220, (n, 1))
    rgb = np.clip(base + rng.integers(-30, 31, (n, 3)), 0, 255)
    return points, rgb, rng.integers(0, 256, n)


@pytest.mark.parametrize("suffix", ["pts", "txt", "xyz"])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("fmt", ["%d", "%.1f"])
def test_whole_intensities_are_told_from_colours(tmp_path, suffix, where, fmt):
    points, rgb, intensity = grey_rgb()
    if suffix == "pts" and where == "after":
        return  # PTS has the intensity first
    parts = [intensity[:, None], rgb] if where == "before" else [rgb, intensity[:, None]]
    rows = [
        " ".join(["%.5f"] * 3) % tuple(p) + " " + " ".join((fmt if len(q) == 1 else "%d") % v for q in c for v in q)
        for p, *c in zip(points, *parts)
    ]
    (tmp_path / f"a.{suffix}").write_text("\n".join([str(len(rows)), *rows]))
    cloud = read_text(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["intensity"], intensity)
    assert where in " ".join(cloud.messages)


def test_several_set_ups_in_one_pts(tmp_path):
    points, rgb, intensity = grey_rgb()
    table = [[*map(float, p), int(i), *map(int, c)] for p, i, c in zip(points, intensity, rgb)]
    (tmp_path / "a.pts").write_text(f"100\n{lines(table[:100])}200\n{lines(table[100:])}")
    cloud = read_text(tmp_path / "a.pts")
    np.testing.assert_allclose(cloud.points, points, atol=1e-5)
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["scan"], np.repeat([0, 1], [100, 200]))
    assert "2 set-ups" in " ".join(cloud.messages)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ("//X Y Z R G B", 1),
        ("//X Y Z Rf Gf Bf", 255),
        ("X,Y,Z,Red,Green,Blue", 1),
        ('"Points:0","Points:1","Points:2","RGB:0","RGB:1","RGB:2"', 1),
        ('"Points_0","Points_1","Points_2","RGB_0","RGB_1","RGB_2"', 1),
        ("x [m];y [m];z [m];r;g;b", 1),
        ("Easting,Northing,Elevation,Red,Green,Blue", 1),
    ],
)
@pytest.mark.parametrize("count", [False, True])
def test_headers_of_other_programs(tmp_path, header, scale, count):
    points, rgb, _ = grey_rgb()
    separator = " " if header.startswith("//") else ";" if ";" in header else ","
    table = [[*map(float, p), *(float(v / scale) if scale > 1 else int(v) for v in c)] for p, c in zip(points, rgb)]
    text = header + "\n" + (f"{len(table)}\n" if count else "") + lines(table, separator)
    (tmp_path / "a.txt").write_text(text)
    cloud = read_text(tmp_path / "a.txt")
    np.testing.assert_allclose(cloud.points, points, atol=1e-5)
    np.testing.assert_array_equal(cloud.colors, rgb)
    assert list(cloud.columns)[:3] == ["x", "y", "z"]


def test_a_table_of_pandas_with_index_words_and_empty_cells(tmp_path):
    points, rgb, _ = grey_rgb(30)
    rows = [
        f"{i},{x},{y},{z},{r},{g},{b},{'chair, old' if i % 2 else 'table'!r}"
        for i, ((x, y, z), (r, g, b)) in enumerate(zip(points, rgb))
    ]
    rows = [row.replace("'", '"') for row in rows]
    rows[4] = "4,,1.0,2.0,1,2,3,"
    rows[7] = f"7,{points[7, 0]},{points[7, 1]},{points[7, 2]},,,,chair"
    rows[9] = f"9,{points[9, 0]},{points[9, 1]},{points[9, 2]},1,2,NA,NaN"
    (tmp_path / "a.csv").write_text(",x,y,z,r,g,b,what\n" + "\n".join(rows) + "\n")
    cloud = read_text(tmp_path / "a.csv")
    assert list(cloud.columns) == ["index", "x", "y", "z", "r", "g", "b", "what"]
    assert np.isnan(cloud.points[4, 0])
    known = np.delete(np.arange(30), [4, 7, 9])
    np.testing.assert_allclose(cloud.points[known], points[known])
    np.testing.assert_array_equal(cloud.colors[known], rgb[known])
    assert (cloud.colors[7] == 128).all()
    assert cloud.columns["what"][1] == "chair, old"
    said = " ".join(cloud.messages)
    assert "what: columns of words" in said
    assert "2 points have no colour" in said


def test_a_word_among_numbers_is_still_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,z,v\n" + "".join(f"{i},1,2,{i}\n" for i in range(20)) + "1,2,3,oops\n")
    with pytest.raises(InputError, match="line 22: expected numbers, got 'oops'"):
        read_text(tmp_path / "a.csv")
