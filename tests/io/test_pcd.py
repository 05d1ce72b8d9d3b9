import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io.kernels import lzf_decompress
from saymask.io.pcd import read_pcd
from tests.io.rooms import bumpy


def lzf_compress(data: bytes) -> bytes:
    """A small LZF compressor (back references of 3 to 264 bytes), written for these tests."""
    out, literals, i = bytearray(), bytearray(), 0
    seen: dict[bytes, int] = {}

    def flush() -> None:
        for at in range(0, len(literals), 32):
            run = literals[at : at + 32]
            out.append(len(run) - 1)
            out.extend(run)
        literals.clear()

    while i < len(data):
        key = data[i : i + 3]
        at = seen.get(key, -1) if len(key) == 3 else -1
        if at >= 0 and i - at <= 8192:
            length = 3
            while length < 264 and i + length < len(data) and data[at + length] == data[i + length]:
                length += 1
            flush()
            back = i - at - 1
            if length - 2 < 7:
                out.append((length - 2) << 5 | back >> 8)
            else:
                out.append(7 << 5 | back >> 8)
                out.append(length - 2 - 7)
            out.append(back & 255)
            for k in range(length):
                seen[data[i + k : i + k + 3]] = i + k
            i += length
            continue
        seen[key] = i
        literals.append(data[i])
        i += 1
    flush()
    return bytes(out)


def make(path, kind, points, rgb=None, rgb_type="F", extra=None):
    n = len(points)
    names, types, sizes, counts = ["x", "y", "z"], ["F"] * 3, ["4"] * 3, ["1"] * 3
    columns = [points[:, i].astype("<f4") for i in range(3)]
    if rgb is not None:
        packed = (rgb[:, 0].astype("<u4") << 16) | (rgb[:, 1].astype("<u4") << 8) | rgb[:, 2]
        names, types, sizes, counts = [*names, "rgb"], [*types, rgb_type], [*sizes, "4"], [*counts, "1"]
        columns.append(packed.view("<f4") if rgb_type == "F" else packed)
    if extra is not None:
        names, types, sizes = [*names, "_", "curve"], [*types, "U", "F"], [*sizes, "1", "8"]
        counts = [*counts, "4", str(extra.shape[1])]
        columns += [np.zeros((n, 4), "u1"), extra.astype("<f8")]
    head = "# .PCD v0.7\nVERSION 0.7\n" + "\n".join(
        f"{k} {' '.join(v)}" for k, v in (("FIELDS", names), ("SIZE", sizes), ("TYPE", types), ("COUNT", counts))
    )
    head += f"\nWIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA {kind}\n"
    if kind == "ascii":
        flat = [c.reshape(n, -1) for c in columns]
        rows = [" ".join("nan" if v != v else repr(v.item()) for c in flat for v in c[i]) for i in range(n)]
        body = ("\n".join(rows) + "\n").encode()
    elif kind == "binary":
        table = np.empty(n, [(f"f{i}", c.dtype, c.shape[1:]) for i, c in enumerate(columns)])
        for i, c in enumerate(columns):
            table[f"f{i}"] = c
        body = table.tobytes()
    else:
        raw = b"".join(c.tobytes() for c in columns)
        packed_bytes = lzf_compress(raw)
        body = np.array([len(packed_bytes), len(raw)], "<u4").tobytes() + packed_bytes
    path.write_bytes(head.encode() + body)
    return path


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("rgb_type", ["F", "U"])
def test_every_encoding(tmp_path, kind, rgb_type):
    points = bumpy(60)
    points[7] = np.nan
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (60, 3)).astype(np.uint8)
    extra = rng.normal(size=(60, 2))
    cloud = read_pcd(make(tmp_path / "a.pcd", kind, points, rgb, rgb_type, extra))
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["curve"], extra)
    assert list(cloud.columns) == ["x", "y", "z", "red", "green", "blue", "curve"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 40))
def test_lzf_undoes_compression(data, times):
    raw = data * times
    packed = np.frombuffer(lzf_compress(raw), np.uint8)
    out, size = lzf_decompress(packed, len(raw))
    assert size == len(raw)
    assert out.tobytes() == raw


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_lzf_stays_inside_its_buffers_on_noise(data, size):
    out, got = lzf_decompress(np.frombuffer(data, np.uint8), size)
    assert len(out) == size
    assert 0 <= got <= size


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.98])
def test_a_file_that_is_cut_off_is_an_input_error(tmp_path, kind, share):
    path = make(tmp_path / "a.pcd", kind, bumpy(200))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.pcd"):
        read_pcd(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b"POINTS 50", b"POINTS 999999999"), "999,999,999"),
        ((b"FIELDS x y z", b"FIELDS x y w"), "z missing"),
        ((b"SIZE 4 4 4", b"SIZE 4 4"), "equal length"),
        ((b"TYPE F F F", b"TYPE F F Q"), "unknown type"),
        ((b"DATA binary", b"DATA morse"), "expected DATA"),
    ],
)
def test_bad_headers(tmp_path, change, words):
    path = make(tmp_path / "a.pcd", "binary", bumpy(50))
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(InputError, match=words):
        read_pcd(path)


def test_damaged_compression(tmp_path):
    path = make(tmp_path / "a.pcd", "binary_compressed", bumpy(200))
    data = bytearray(path.read_bytes())
    start = data.index(b"binary_compressed\n") + len(b"binary_compressed\n") + 8
    data[start] = 0xFF  # a back reference before anything was written
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="decompressed bytes"):
        read_pcd(path)
