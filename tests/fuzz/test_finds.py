"""What the runs found, one case per kind: claims that a file cannot keep, and content of the wrong shape."""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest

from saymask import InputError, load_scan
from tests.fuzz import seeds
from tests.fuzz.run import MEMORY, Child, write_files
from tests.fuzz.targets import TARGETS

BOMB = 600_000_000
"""Bytes of zeros, a thousandth of that when packed."""


def refused(tmp_path, reader, files, match="."):
    with pytest.raises(InputError, match=match):
        TARGETS[reader](write_files(tmp_path / "in", files))


def packed(data, at, layout, *values):
    """Return bytes with numbers put over those at `at`."""
    raw = struct.pack(layout, *values)
    return data[:at] + raw + data[at + len(raw) :]


def zeros(size, head=b""):
    """Return raw deflated data: `head` and then zeros, `size` bytes in all, and its checksum."""
    packer, crc, out = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.crc32(head), [b""]
    out.append(packer.compress(head))
    block, left = bytes(10_000_000), size - len(head)
    while left:
        part = block[: min(left, len(block))]
        out.append(packer.compress(part))
        crc, left = zlib.crc32(part, crc), left - len(part)
    return b"".join([*out, packer.flush()]), crc


def zip_bomb(members, big, head=b""):
    """Return a zip of stored `members` and one more called `big` that unpacks to `BOMB` bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        data, crc = zeros(BOMB, head)
        with archive.open(zipfile.ZipInfo(big), "w") as file:
            file.write(data)
        info = archive.getinfo(big)
        info.compress_type, info.file_size, info.CRC = zipfile.ZIP_DEFLATED, BOMB, crc
    # the local header says what the directory says
    raw = out.getvalue()
    return packed(packed(raw, info.header_offset + 8, "<H", 8), info.header_offset + 14, "<III", crc, len(data), BOMB)


def npy(shape, kind="<f4", descr=None):
    """Return the header of an NPY file with an empty body."""
    head = f"{{'descr': {descr or repr(kind)}, 'fortran_order': False, 'shape': {shape}}}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head.encode() + b"\n"


@pytest.mark.parametrize("change", ["chunks", "chunk size", "table", "layers", "compressor"])
def test_laz_tables_that_do_not_fit_the_file(tmp_path, change):
    pytest.importorskip("laspy")
    (new, *_) = seeds.las("laz")
    data = new["a.laz"]
    start = struct.unpack_from("<I", data, 96)[0]
    record = data.index(b"laszip encoded") - 2 + 54
    at = {
        "chunks": (struct.unpack_from("<q", data, start)[0] + 4, "<I", 2**31),
        "table": (start, "<q", start - 100),
        "layers": (start + 8 + 40 + 4, "<I", 2**32 - 1),
        "compressor": (record, "<H", 1),
    }
    if change == "chunk size":  # of no harm: one chunk after the other is decoded
        path = write_files(tmp_path / "in", {"a.laz": packed(data, record + 12, "<I", 2**31)})
        assert len(load_scan(path, quiet=True)) == 240
    else:
        refused(tmp_path, "laz", {"a.laz": packed(data, *at[change])})


@pytest.mark.parametrize(
    "header",
    [
        npy((10**12, 3)),
        npy("(3, 'a')"),
        npy("(10, 3", descr="'<f4'"),
        npy((4, 3), descr="'|O'"),
        npy((4, 3), descr="[('x', 3)]"),
        npy((-4, 3)),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 60_000,
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    ],
)
def test_npy_headers(tmp_path, header):
    refused(tmp_path, "npy", {"a.npy": header + bytes(100)})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("points.npy", header + bytes(100))
    refused(tmp_path, "npz", {"a.npz": out.getvalue()})


def test_colours_alone_are_no_points(tmp_path):
    out = io.BytesIO()
    np.savez(out, colors=seeds.colors(), labels=np.arange(240))
    refused(tmp_path, "npz", {"a.npz": out.getvalue()}, "expected an array 'points'")


def test_a_point_that_is_partly_nan_is_written_to_las(tmp_path):
    pytest.importorskip("laspy")
    table = seeds.points().astype(np.float64)
    table[3] = 1e30, np.nan, 0
    out = io.BytesIO()
    np.save(out, table)
    _, written = TARGETS["npy"](write_files(tmp_path / "in", {"a.npy": out.getvalue()}))
    assert len(load_scan(written[2], quiet=True)) >= 239


@pytest.mark.parametrize(
    "more",
    [
        {"colors": np.zeros((240, 2), np.uint8)},
        {"x": np.zeros((240, 3))},
        {"intensity": np.linspace(0, 1, 240), "classification": np.full(240, 300), "return_number": np.full(240, 99)},
        {
            "flag": np.zeros((240, 1)),
            "none": np.zeros((240, 0)),
            "deep": np.zeros((240, 2, 2)),
            "mixed": np.zeros(240, "V3"),
        },
        {"red": np.full(240, "x"), "green": np.zeros(240), "blue": np.zeros((240, 2)), "nx": np.zeros(240, "c8")},
        {"x": np.zeros(240), "red": np.ones(240), "colors": seeds.colors()},
        {"\0": np.zeros(240), "\0\0": np.ones(240), "a" * 40: np.zeros(240), "a" * 41: np.ones(240)},
    ],
)
def test_columns_of_any_name_and_width_are_written(tmp_path, more):
    pytest.importorskip("laspy")
    out = io.BytesIO()
    np.savez(out, points=seeds.points(), **more)
    _, written = TARGETS["npz"](write_files(tmp_path / "in", {"a.npz": out.getvalue()}))
    for path in written[:3]:
        again = load_scan(path, quiet=True)
        np.testing.assert_allclose(np.sort(again.points, 0), np.sort(seeds.points(), 0), atol=2e-4)


def test_axes_that_are_no_numbers(tmp_path):
    out = io.BytesIO()
    np.savez(out, x=np.full(240, "a"), y=np.zeros(240), z=np.zeros(240))
    refused(tmp_path, "npz", {"a.npz": out.getvalue()}, "x, y, z as numbers")


def test_las_names_that_are_no_ascii_are_written_again(tmp_path):
    pytest.importorskip("laspy")
    for suffix in ("las", "laz"):
        data = seeds.las(suffix)[0][f"a.{suffix}"]
        path = write_files(tmp_path / "in", {f"a.{suffix}": data[:27] + "Größe".encode("latin-1") + data[32:]})
        _, written = TARGETS[suffix](path)
        assert len(load_scan(written[2], quiet=True)) == 240


@pytest.mark.parametrize("number", ["1" + "0" * 30, "-" + "9" * 30])
def test_endless_numbers_in_faces_and_placements(tmp_path, number):
    data = seeds.obj()[0]["a.obj"]
    refused(tmp_path, "obj", {"a.obj": data.replace(b"f 1/1", b"f %s/1" % number.encode(), 1)})
    content, binary = seeds._gltf()
    text = (
        json.dumps(content).encode().replace(b'"rotation": [0, 0, 0, 1]', b'"rotation": [%s0, 0, 0, 1]' % (b"9" * 400))
    )
    refused(tmp_path, "glb", {"a.glb": seeds.glb_of(text, binary)}, "placement")


def test_npz_arrays_that_no_scan_needs_are_not_unpacked(tmp_path):
    points = io.BytesIO()
    np.save(points, seeds.points())
    bomb = zip_bomb({"points.npy": points.getvalue()}, "features.npy", npy((BOMB // 4 - 100,)))
    assert len(bomb) < 2_000_000
    child = Child(tmp_path / "files")
    try:
        answer = child.read("npz", {"a.npz": bomb})
        refusal = child.read("npz", {"a.npz": zip_bomb({}, "points.npy", npy((BOMB // 12 - 100, 3)))})
    finally:
        child.close()
    assert answer["outcome"] == "loaded"
    assert refusal["outcome"] == "refused"
    assert max(answer["memory"], refusal["memory"]) < MEMORY / 5


def test_pytorch_archives_that_unpack_to_more_than_they_are(tmp_path):
    (zipped, *_) = seeds.pickles()
    with zipfile.ZipFile(io.BytesIO(zipped["a.pth"])) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    refused(tmp_path, "pickle", {"a.pth": zip_bomb(members, next(iter(members)).split("/")[0] + "/data/9")}, "unpacks")


@pytest.mark.parametrize("number", [b"r" + struct.pack("<I", 55_257_236), b"p55257236\n"])
def test_pickles_that_number_more_objects_than_they_have(tmp_path, number):
    refused(tmp_path, "pickle", {"a.pkl": b"\x80\x02}" + number + b"."}, "numbered objects")


def test_tensors_that_repeat_a_few_numbers(tmp_path):
    import torch

    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, buffer)
    refused(tmp_path, "pickle", {"a.pth": buffer.getvalue()})


def test_gzipped_predictions_that_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("saymask.metrics.predictions.LARGEST", 1_000_000)
    refused(tmp_path, "predictions", {"a.json.gz": gzip.compress(b" " * 2_000_000)}, "at most 1,000,000 bytes")
    row = {"scene_id": "s", "ann_id": 0, "length": 2**40, "masks": ["1 2"]}
    content = {"format": "saymask-predictions", "version": 1, "predictions": [row]}
    refused(tmp_path, "predictions", {"a.json": json.dumps(content).encode()}, "number of points")


@pytest.mark.filterwarnings("ignore:Image size")
def test_pictures_that_fill_the_memory(tmp_path):
    from saymask.io.images import read_rgb

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 12_000  # 144 million pixels, below the limit of Pillow
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    picture = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="12,000 x 12,000 pixels"):
        read_rgb(picture, "a texture")
    assert read_rgb(seeds.png(), "a texture").shape == (8, 8, 3)


def test_gltf_that_repeats_itself(tmp_path):
    content, binary = seeds._gltf()
    many = {**content, "nodes": [{"mesh": 0}] * 60_000, "scenes": [{"nodes": list(range(60_000))}]}
    refused(tmp_path, "glb", {"a.glb": seeds.glb_of(many, binary)}, "repeats itself")
    empty = {**content, "accessors": [{"componentType": 5126, "type": "VEC3", "count": 10**8}]}
    refused(tmp_path, "glb", {"a.glb": seeds.glb_of(empty, binary)}, "accessor of the file's size")


@pytest.mark.parametrize("change", [{"componentType": [5126]}, {"type": "VEC2"}, {"count": 2**70}, {"bufferView": {}}])
def test_gltf_of_the_wrong_types(tmp_path, change):
    content, binary = seeds._gltf()
    for number in (0, 3):
        accessors = [dict(a) for a in content["accessors"]]
        accessors[number] |= change
        refused(tmp_path, "glb", {"a.glb": seeds.glb_of({**content, "accessors": accessors}, binary)})


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
@pytest.mark.parametrize("reader", ["masks", "predictions", "gltf", "config"])
def test_json_without_end(tmp_path, reader, deep):
    name = "lground.rooms.json" if reader == "config" else f"a.{'gltf' if reader == 'gltf' else 'json'}"
    refused(tmp_path, reader, {name: deep.encode()})


def test_settings_that_are_endless(tmp_path):
    content = json.loads(seeds.config()[0]["uniseg3d.rooms.json"])
    names = [name for name, value in content.items() if isinstance(value, float)]
    assert names
    for name in names:
        text = json.dumps({**content, name: 10**400}).encode()
        refused(tmp_path, "config", {"uniseg3d.rooms.json": text}, "expected")


def test_run_lengths_of_a_billion(tmp_path):
    content = json.loads(seeds.masks()[0]["a.json"])
    for counts in ([10**9], [10**9, -(10**9), 240], [2**63], [2**63 - 1, 2**63 - 1, 242], [[240]], "240", [0.5, 239.5]):
        content["masks"][0]["counts"] = counts
        refused(tmp_path, "masks", {"a.json": json.dumps(content).encode()})


@pytest.mark.parametrize("group", [{"objectId": 2**40}, {"objectId": "1e9"}, {"segments": [2**70]}, {"objectId": -5}])
def test_aggregation_numbers_that_overflow(tmp_path, group):
    files = dict(seeds.scannet()[0])
    name = next(n for n in files if "aggregation" in n)
    content = json.loads(files[name])
    content["segGroups"][0] |= group
    refused(tmp_path, "scannet", {**files, name: json.dumps(content).encode()}, "group 0")


@pytest.mark.parametrize(
    "change", [{"objects": [1]}, {"objects": {"x": "chair"}}, {"version": "1"}, {"name": None}, {"sizes": {"1": "3"}}]
)
def test_prepared_headers_of_any_shape(tmp_path, change):
    data = seeds.scene()[0]["scenes/a.safetensors"]
    size = struct.unpack_from("<Q", data)[0]
    content = json.loads(data[8 : 8 + size])
    header = json.loads(content["__metadata__"]["saymask_scene"]) | change
    content["__metadata__"]["saymask_scene"] = json.dumps(header)
    text = json.dumps(content).encode()
    refused(tmp_path, "scene", {"scenes/a.safetensors": struct.pack("<Q", len(text)) + text + data[8 + size :]})


def test_a_forged_configuration_does_not_fill_the_memory(tmp_path, monkeypatch):
    import hashlib

    from saymask.errors import CheckpointError

    data = seeds.checkpoint()[0]["a.safetensors"]
    size = struct.unpack_from("<Q", data)[0]
    content = json.loads(data[8 : 8 + size])
    for change in ({"layers": [16, 200_000, 200_000]}, {"layers": [16] * 10 + [2**62]}):
        config = json.dumps(json.loads(content["__metadata__"]["config"]) | change)
        content["__metadata__"] |= {"config": config, "config_sha256": hashlib.sha256(config.encode()).hexdigest()}
        text = json.dumps(content).encode()
        path = write_files(tmp_path / "in", {"a.safetensors": struct.pack("<Q", len(text)) + text + data[8 + size :]})
        with pytest.raises(CheckpointError, match="cannot be built"):
            TARGETS["checkpoint"](path)


def test_pcd_counts_that_no_point_has(tmp_path):
    data = seeds.pcd()[1]["a.pcd"]
    for count in (b"COUNT 1 1 1 4000000000", b"COUNT 1 1 1 \xb2", b"COUNT 1 1 1 " + b"9" * 5000):
        refused(tmp_path, "pcd", {"a.pcd": data.replace(b"COUNT 1 1 1 1", count)})
    files = {"a.pcd": data.replace(b"POINTS 240", b"POINTS \xb2").replace(b"WIDTH 240", b"WIDTH \xb2")}
    refused(tmp_path, "pcd", files, "POINTS or WIDTH")


def test_e57_that_claims_more_points_than_bits(tmp_path):
    pytest.importorskip("pye57")
    from tests.fuzz.mutate import _crc32c

    data = seeds.e57()[0]["a.e57"]
    plain = b"".join(data[at : at + 1020] for at in range(0, len(data), 1024))
    claimed = plain.replace(b'recordCount="120"', b'recordCount="9999999999"')[: len(plain)]
    pages = [claimed[at : at + 1020] for at in range(0, len(claimed), 1020)]
    refused(tmp_path, "e57", {"a.e57": b"".join(page + struct.pack(">I", _crc32c(page)) for page in pages)})


@pytest.mark.parametrize("name", ["../s", "/tmp/s", "a/b", ".."])
def test_ids_that_are_paths_reach_no_file(tmp_path, name):
    from saymask.data.image_store import feature_path
    from saymask.data.scenes import scene_path
    from saymask.metrics.predictions import Predicted, save_predictions
    from saymask.metrics.submission import write_instances, write_semantic

    out = tmp_path / "deep" / "out"
    masks, one = np.zeros((1, 3), bool), np.ones(1)
    for attempt in (
        lambda: write_semantic(out, name, np.zeros(3, int)),
        lambda: write_instances(out, name, masks, one.astype(int), one),
        lambda: save_predictions(out, [Predicted(name, 0, 3, ())], {}),
        lambda: scene_path(out, name),
        lambda: feature_path(out, "clip", name),
    ):
        with pytest.raises(InputError, match="expected a plain name"):
            attempt()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_projections_that_are_no_tensors(tmp_path):
    refused(tmp_path, "projections", {"a.safetensors": b"\x08\0\0\0\0\0\0\0{}      x"})
    refused(tmp_path, "projections", {"a.pth": pickle.dumps({"a": 1})})
