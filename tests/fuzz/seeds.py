"""Small valid files of every kind that is read, made in code: what mutations start from."""

import base64
import gzip
import io
import json
import pickle
import struct
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from saymask.io.load import READERS, TEXT

Files = dict[str, bytes]
"""Name -> content; the first one is what is opened (its folder where the name ends in a slash)."""


def points(n: int = 240, seed: int = 0) -> np.ndarray:
    """Return points of three walls, float32 [n, 3]."""
    rng = np.random.default_rng(seed)
    flat = rng.random((n, 3)) * [3.0, 2.5, 2.0]
    flat[np.arange(n), np.arange(n) % 3] = rng.normal(0, 0.003, n)
    return flat.astype(np.float32)


def colors(n: int = 240) -> np.ndarray:
    """Return colours uint8 [n, 3]."""
    return np.random.default_rng(1).integers(0, 256, (n, 3)).astype(np.uint8)


@lru_cache(maxsize=1)
def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices float32 [150, 3] of a wavy ground and a wall, triangles [F, 3], texture coordinates [150, 2]."""
    u, v = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 10), indexing="ij")
    height = np.where(u < 0.5, 0.02 * np.sin(9 * v), 2 * (u - 0.5))
    vertices = np.stack([np.minimum(u, 0.5) * 4, v * 2, height], -1).reshape(-1, 3).astype(np.float32)
    at = np.arange(150).reshape(15, 10)
    a, b, c, d = at[:-1, :-1].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel(), at[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return vertices, faces, np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)


def png(size: int = 8) -> bytes:
    """Return a small picture."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (size, size, 3)).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _written(name: str, write: Callable[[Path], Any]) -> bytes:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for module in ("data.scenes", "data.image_store", "hub.checkpoints"):
            # Files of before there were checksums: with one every change is refused before anything else is looked at.
            stack.enter_context(patch(f"saymask.{module}.checksum", lambda *_: ""))
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def ply() -> list[Files]:
    """Binary of both orders, ascii, a mesh with polygons, textured wedges, splats."""
    from saymask.io.ply import write_ply

    p, c = points(), colors()
    columns = {**dict(zip("xyz", p.T)), **dict(zip(("red", "green", "blue"), c.T))}
    head = "ply\nformat {} 1.0\ncomment made\nelement vertex {}\n" + "".join(f"property float {a}\n" for a in "xyz")
    v, f, _ = _grid()
    rows = "\n".join(" ".join(f"{x:.4f}" for x in row) for row in v)
    polygons = "\n".join(f"3 {a} {b} {c} 6 0 0 1 0 1 1 0" for a, b, c in f[:-1]) + "\n4 0 1 2 3 8 0 0 1 0 1 1 0 1 0"
    face = f"element face {len(f)}\nproperty list uchar int vertex_indices\n"
    wedge = "property list uchar float texcoord\nproperty int texnumber\nend_header\n"
    textured = head.format("ascii", len(v)).replace("made", "TextureFile a.png") + face + wedge
    big = head.format("binary_big_endian", len(v)) + face + "end_header\n"
    mixed = b"".join(struct.pack(">B3i", 3, *row) for row in f[:-1]) + struct.pack(">B4i", 4, 0, 1, 2, 3)
    splats = {**dict(zip("xyz", p.T)), **{f"f_dc_{i}": p[:, i] for i in range(3)}, "opacity": p[:, 0]}
    return [
        {"a.ply": _written("a.ply", lambda path: write_ply(path, columns))},
        {"a.ply": _written("a.ply", lambda path: write_ply(path, dict(zip("xyz", v.T)), f.astype(np.int32)))},
        {"a.ply": (textured + rows + "\n" + polygons + "\n").encode(), "a.png": png()},
        {"a.ply": big.encode() + v.astype(">f4").tobytes() + mixed},
        {"a.ply": _written("a.ply", lambda path: write_ply(path, splats))},
    ]


def pcd() -> list[Files]:
    """Ascii, binary, compressed, with packed colours."""
    p, c = points(), colors().astype(np.uint32)
    packed = (c[:, 0] << 16 | c[:, 1] << 8 | c[:, 2]).view(np.float32)
    table = np.column_stack([p, packed]).astype("<f4")
    head = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
        f"WIDTH {len(p)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(p)}\nDATA "
    )
    raw = table.T.tobytes()
    literal = b"".join(bytes([len(raw[i : i + 32]) - 1]) + raw[i : i + 32] for i in range(0, len(raw), 32))
    text = "\n".join(" ".join(f"{x:.5g}" for x in row) for row in table)
    return [
        {"a.pcd": (head + "ascii\n" + text + "\n").encode()},
        {"a.pcd": head.encode() + b"binary\n" + table.tobytes()},
        {"a.pcd": head.encode() + b"binary_compressed\n" + struct.pack("<II", len(literal), len(raw)) + literal},
    ]


def las(suffix: str) -> list[Files]:
    """Point format 7 with an extra dimension, and an older one."""
    import laspy

    from saymask.io.las import write_las

    p, c = points(), colors()
    names = {**dict(zip(("red", "green", "blue"), c.T)), "part": np.arange(len(p), dtype=np.int32)}
    old = laspy.LasHeader(version="1.2", point_format=3)
    old.scales, old.offsets = np.full(3, 1e-4), np.zeros(3)
    name = f"a.{suffix}"
    return [
        {name: _written(name, lambda path: write_las(path, names, p.astype(np.float64)))},
        {name: _written(name, lambda path: write_las(path, {}, p.astype(np.float64), old))},
    ]


def e57() -> list[Files]:
    """Two set-ups with poses, colours and intensity."""
    import pye57

    def write(path: Path) -> None:
        file = pye57.E57(str(path), mode="w")
        for seed in range(2):
            p, c = points(120, seed).astype(np.float64), colors(120).astype(np.float64)
            data = {f"cartesian{axis}": p[:, i] for i, axis in enumerate("XYZ")}
            data |= {f"color{name}": c[:, i] for i, name in enumerate(("Red", "Green", "Blue"))}
            data["intensity"] = np.linspace(0, 1, 120)
            file.write_scan_raw(data, rotation=np.array([1.0, 0, 0, 0]), translation=np.array([0.0, seed, 0]))
        file.close()

    return [{"a.e57": _written("a.e57", write)}]


def obj() -> list[Files]:
    """A mesh with materials and a picture, groups and negative indices, and bare points with colours."""
    v, f, uv = _grid()
    lines = ["mtllib a.mtl", "o ground", *("v " + " ".join(f"{x:.4f}" for x in row) for row in v)]
    lines += ["vt " + " ".join(f"{x:.4f}" for x in row) for row in uv]
    lines += ["usemtl wood", *(" ".join(["f", *(f"{i + 1}/{i + 1}" for i in row)]) for row in f[:120])]
    lines += ["g wall", "usemtl paint", *(" ".join(["f", *(f"{i - 150}/{i - 150}" for i in row)]) for row in f[120:])]
    mtl = b"newmtl wood\nKd 0.5 0.4 0.3\nmap_Kd -s 2 2 1 -clamp on a.png\nnewmtl paint\nKd 0.9 0.9 0.8\n"
    p, c = points(), colors() / 255
    bare = "\n".join("v " + " ".join(f"{x:.4f}" for x in row) for row in np.column_stack([p, c]))
    return [{"a.obj": "\n".join(lines).encode(), "a.mtl": mtl, "a.png": png()}, {"a.obj": bare.encode()}]


def _gltf() -> tuple[dict[str, Any], bytes]:
    v, f, uv = _grid()
    parts = [
        v.tobytes(), f.astype("<u2").tobytes(), uv.tobytes(), np.pad(colors(150), ((0, 0), (0, 1))).tobytes(),
        np.array([1, 5], "<u2").tobytes(), v[:2].tobytes(), png(),
    ]  # fmt: skip
    starts = np.cumsum([0] + [len(part) + -len(part) % 4 for part in parts])
    views = [{"buffer": 0, "byteOffset": int(s), "byteLength": len(part)} for s, part in zip(starts, parts)]
    sparse = {
        "count": 2, "indices": {"bufferView": 4, "componentType": 5123}, "values": {"bufferView": 5},
    }  # fmt: skip
    accessors = [
        {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 150, "sparse": sparse},
        {"bufferView": 1, "componentType": 5123, "type": "SCALAR", "count": f.size},
        {"bufferView": 2, "componentType": 5126, "type": "VEC2", "count": 150},
        {"bufferView": 3, "componentType": 5121, "type": "VEC4", "count": 150, "normalized": True},
    ]
    texture = {"index": 0, "texCoord": 0, "extensions": {"KHR_texture_transform": {"scale": [2, 2], "rotation": 0.1}}}
    attributes = {"POSITION": 0, "TEXCOORD_0": 2, "COLOR_0": 3}
    content = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [
            {"children": [1, 2], "translation": [0, 1, 0], "rotation": [0, 0, 0, 1], "scale": [1, 1, 1]},
            {"mesh": 0}, {"mesh": 1, "matrix": np.eye(4).ravel().tolist()},
        ],
        "meshes": [
            {"primitives": [{"attributes": attributes, "indices": 1, "material": 0}]},
            {"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]},
        ],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 1, 1], "baseColorTexture": texture}}],
        "textures": [{"source": 0, "sampler": 0}], "samplers": [{"wrapS": 33071}],
        "images": [{"bufferView": 6, "mimeType": "image/png", "name": "tiles"}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": int(starts[-1])}],
    }  # fmt: skip
    return content, b"".join(part + bytes(-len(part) % 4) for part in parts)


def glb_of(content: Any, binary: bytes) -> bytes:
    """Return a GLB with right lengths around a JSON text and a binary chunk."""
    text = json.dumps(content).encode() if not isinstance(content, bytes) else content
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def glb() -> list[Files]:
    """A textured mesh and points in one file, and a mesh compressed with Draco where DracoPy is installed."""
    content, binary = _gltf()
    seeds: list[Files] = [{"a.glb": glb_of(content, binary)}]
    try:
        import DracoPy
    except ImportError:
        return seeds
    v, f, _ = _grid()
    packed = DracoPy.encode(v, f)
    packed += bytes(-len(packed) % 4)
    draco = {"bufferView": 0, "attributes": {"POSITION": 0}}
    primitive = {"attributes": {"POSITION": 0}, "extensions": {"KHR_draco_mesh_compression": draco}}
    small = {
        "asset": {"version": "2.0"}, "meshes": [{"primitives": [primitive]}], "nodes": [{"mesh": 0}],
        "accessors": [{"componentType": 5126, "type": "VEC3", "count": 150}],
        "bufferViews": [{"buffer": 0, "byteLength": len(packed)}], "buffers": [{"byteLength": len(packed)}],
    }  # fmt: skip
    return [*seeds, {"a.glb": glb_of(small, packed)}]


def gltf() -> list[Files]:
    """JSON with a buffer beside it, and with one inside it."""
    content, binary = _gltf()
    beside = {**content, "buffers": [{"byteLength": len(binary), "uri": "a.bin"}]}
    inside = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    within = {**content, "buffers": [{"byteLength": len(binary), "uri": inside}]}
    return [{"a.gltf": json.dumps(beside).encode(), "a.bin": binary}, {"a.gltf": json.dumps(within).encode()}]


def stl() -> list[Files]:
    """Binary with colours, and text."""
    from saymask.io.stl import ROW

    v, f, _ = _grid()
    rows = np.zeros(len(f), ROW)
    rows["corners"], rows["attribute"] = v[f], 0x8000 | np.arange(len(f))
    text = "solid a\n"
    for corners in v[f[:80]]:
        text += "facet normal 0 0 1\nouter loop\n"
        text += "".join(f"vertex {' '.join(f'{x:.4f}' for x in corner)}\n" for corner in corners)
        text += "endloop\nendfacet\n"
    return [
        {"a.stl": b"COLOR=\x01\x02\x03\xff".ljust(80) + struct.pack("<I", len(f)) + rows.tobytes()},
        {"a.stl": (text + "endsolid a\n").encode()},
    ]


def off() -> list[Files]:
    """Plain, and with colours at the vertices."""
    v, f, _ = _grid()
    c = colors(len(v))
    plain = "\n".join(" ".join(f"{x:.4f}" for x in row) for row in v)
    painted = "\n".join(" ".join(f"{x:.4f}" for x in row) + " {} {} {} 255".format(*k) for row, k in zip(v, c))
    faces = "\n".join(f"3 {a} {b} {c}" for a, b, c in f)
    return [
        {"a.off": f"{kind}\n{len(v)} {len(f)} 0\n{rows}\n{faces}\n".encode()}
        for kind, rows in (("OFF", plain), ("COFF", painted))
    ]


def text(suffix: str) -> list[Files]:
    """Bare numbers, a header with names, a count first, semicolons with decimal commas, words among the columns."""
    p, c = points(), colors()
    rows = ["{:.4f} {:.4f} {:.4f} {} {} {}".format(*a, *b) for a, b in zip(p.tolist(), c.tolist())]
    named = "x,y,z,red,green,blue,kind\n" + "\n".join(row.replace(" ", ",") + ",wall" for row in rows)
    commas = "\n".join(row.replace(".", ",").replace(" ", ";") for row in rows)
    return [
        {f"a.{suffix}": content.encode()}
        for content in ("\n".join(rows), named, f"{len(rows)}\n" + "\n".join(rows), commas)
    ]


def npz() -> list[Files]:
    """Stored and deflated members, with faces, labels, text and a structured array."""
    v, f, _ = _grid()
    out = []
    kind = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("label", "i4")])
    records = np.zeros(240, kind)
    for i, axis in enumerate("xyz"):
        records[axis] = points()[:, i]
    for save, arrays in (
        (np.savez, {"points": points(), "colors": colors(), "labels": np.arange(240), "names": np.array(["a", "b"])}),
        (np.savez_compressed, {"xyz": v, "faces": f, "part": np.zeros((150, 2))}),
        (np.savez_compressed, {"cloud": records}),
    ):
        buffer = io.BytesIO()
        save(buffer, **arrays)  # pyright: ignore[reportArgumentType]
        out.append({"a.npz": buffer.getvalue()})
    return out


def npy() -> list[Files]:
    """An array [n, 6] in either order."""
    table = np.column_stack([points(), colors()])
    out = []
    for array in (table, np.asfortranarray(table)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        out.append({"a.npy": buffer.getvalue()})
    return out


def masks() -> list[Files]:
    """What `Masks.save` writes as JSON over a scan of `points()`."""
    entry = {"name": "chair", "score": 0.5, "points": 60, "label": 3, "counts": [10, 40, 100, 20, 70]}
    content = {
        "format": "saymask-rle-1", "scan": "a", "points": 240, "message": "", "file": "a.ply",
        "masks": [entry, {**entry, "counts": [0, 5, 235]}], "transform": np.eye(4).tolist(),
    }  # fmt: skip
    return [{"a.json": json.dumps(content).encode()}]


def scene() -> list[Files]:
    """A prepared scene with labels and objects."""
    from saymask.data.scenes import save_scene
    from saymask.scan import Scan

    instance = np.repeat([-1, 0, 1], 80).astype(np.int32)
    labels = {"instance": instance, "semantic20": instance.astype(np.int16)}
    scan = Scan(
        points(), colors(), superpoints=np.repeat(np.arange(24, dtype=np.int32), 10), labels=labels,
        alignment=np.eye(4), faces=np.arange(240, dtype=np.int32).reshape(-1, 3), name="scene0000_00",
    )  # fmt: skip
    write = lambda path: save_scene(path, scan, objects={0: "chair", 1: "desk"}, aliases={2: 1})  # noqa: E731
    return [{"scenes/a.safetensors": _written("a.safetensors", write)}]


def prepared() -> list[Files]:
    """The manifest and the sentences of a prepared folder."""
    referred = [
        {"scene_id": "s", "object_id": "3", "ann_id": "0", "object_name": "office_chair", "description": "a chair",
         "token": ["a", "chair"]}
    ] * 2  # fmt: skip
    several = [
        {"scene_id": "s", "object_ids": [3, 4], "ann_id": 0, "object_name": "chair", "description": "two chairs",
         "eval_type": "mt"},
    ]  # fmt: skip
    programs = {"scanrefer": [{"scene_id": "s", "object_id": "3", "ann_id": "0", "program": ["a"]}]}
    manifest = {"version": 1, "scenes": ["s"], "splits": {"val": ["s"]}, "annotations": {}}
    return [
        {
            "data/": b"", "data/manifest.json": json.dumps(manifest).encode(),
            "data/annotations/scanrefer_val.json": json.dumps(referred).encode(),
            "data/annotations/multi3drefer_val.json": json.dumps(several).encode(),
            "data/annotations/programs_val.json": json.dumps(programs).encode(),
        }
    ]  # fmt: skip


def predictions() -> list[Files]:
    """Predictions of sentences, plain and gzipped."""
    row = {"scene_id": "s", "ann_id": 0, "object_ids": [3], "eval_type": "", "length": 240, "masks": ["1 20 60 5"],
           "scores": [0.5]}  # fmt: skip
    content = {"format": "saymask-predictions", "version": 1, "predictions": [row, {**row, "ann_id": 1}]}
    plain = json.dumps(content).encode()
    return [{"a.json": plain}, {"a.json.gz": gzip.compress(plain, mtime=0)}]


def scannet() -> list[Files]:
    """A raw scan folder with segments, groups, alignment and label table."""
    from tests.data.fake_scannet import TABLE

    mesh = ply()[1]["a.ply"]
    segments = (np.arange(150) // 10).tolist()
    groups = [
        {"id": i, "objectId": i, "label": name, "segments": [2 * i, 2 * i + 1]} for i, name in enumerate(("chair", "x"))
    ]
    rows = ["id\traw_category\tnyu40id\tnyu40class", *(f"{a}\t{b}\t{c}\t{d}" for b, a, c, d in TABLE)]
    matrix = " ".join(map(str, np.eye(4).ravel()))
    name = "scans/scene0000_00/scene0000_00"
    return [
        {
            "scans/scene0000_00/": b"", f"{name}_vh_clean_2.ply": mesh,
            f"{name}_vh_clean_2.0.010000.segs.json": json.dumps({"segIndices": segments}).encode(),
            f"{name}.aggregation.json": json.dumps({"segGroups": groups}).encode(),
            f"{name}.txt": f"axisAlignment = {matrix}\n".encode(),
            "scans/scannetv2-labels.combined.tsv": "\n".join(rows).encode(),
        }
    ]  # fmt: skip


def sens() -> list[Files]:
    """A recording of two frames."""
    eye = np.eye(4, dtype="<f4").tobytes()
    head = struct.pack("<IQ", 4, 4) + b"mine" + eye * 4 + struct.pack("<2i4IfQ", 1, 1, 8, 8, 8, 8, 1000.0, 2)
    depth = zlib.compress(np.full((8, 8), 1500, "<u2").tobytes())
    frame = eye + struct.pack("<4Q", 0, 0, len(png()), len(depth)) + png() + depth
    return [{"a.sens": head + frame * 2}]


def config() -> list[Files]:
    """The settings of presets as JSON."""
    from saymask.hub.registry import preset
    from saymask.util.settings import to_json

    return [
        {f"{name}.json": json.dumps(to_json(preset(name).model)).encode()}
        for name in ("uniseg3d.rooms", "lground.rooms", "bqnet.rooms", "less.rooms")
    ]


def checkpoint() -> list[Files]:
    """A toy model with its card, as `save_checkpoint` writes it."""
    from saymask.hub.checkpoints import save_checkpoint
    from saymask.hub.registry import build
    from tests.fuzz.targets import register_toy

    register_toy()
    return [{"a.safetensors": _written("a.safetensors", lambda path: save_checkpoint(build("toy.tiny"), path))}]


def anchors() -> list[Files]:
    """Text features of class names."""
    import torch

    from saymask.models.lground.anchors import Anchors, save_anchors

    made = Anchors(torch.ones(3, 4), ("a", "b", "c"), "minilm", "f")
    return [{"a.safetensors": _written("a.safetensors", lambda path: save_anchors(path, made))}]


def features() -> list[Files]:
    """2D features of a prepared scene."""
    from saymask.data.image_store import ImageInfo, save_image_features

    info = ImageInfo("clip", "a", "f", "g", 6, 4, 6, 2, {"lost": 1}, False, True)
    write = lambda path: save_image_features(path, np.ones((6, 4), np.float32), info)  # noqa: E731
    return [{"image_features/clip/a.safetensors": _written("a.safetensors", write)}]


def pickles() -> list[Files]:
    """PyTorch's archive, its older format, bare pickles of both kinds of arrays."""
    import torch

    state = OrderedDict(weight=torch.arange(24.0).reshape(4, 6), bias=torch.ones(4, dtype=torch.float16))
    content = {"model_state_dict": state, "epoch": 3, "names": ["a", "b"]}
    out: list[Files] = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        out.append({"a.pth": buffer.getvalue()})
    arrays = {"labels": np.arange(40, dtype=np.int32).reshape(4, 10), "n": np.float64(3)}
    return [*out, *({"a.pkl": pickle.dumps(arrays, protocol)} for protocol in (2, 4, 5))]


def frames() -> list[Files]:
    """Posed frames as ScanNet's exporter writes them, and masks of them."""
    from PIL import Image

    depth = io.BytesIO()
    Image.fromarray(np.full((8, 8), 1500, np.uint16)).save(depth, "PNG")
    camera = "8 0 3.5 0\n0 8 3.5 0\n0 0 1 0\n0 0 0 1\n"
    eye = "\n".join(" ".join(map(str, row)) for row in np.eye(4))
    files = {"frames/": b"", "frames/intrinsic/intrinsic_depth.txt": camera.encode()}
    files |= {"frames/intrinsic/intrinsic_color.txt": camera.encode()}
    for i in range(2):
        files |= {f"frames/color/{i}.png": png(), f"frames/depth/{i}.png": depth.getvalue()}
        files[f"frames/pose/{i}.txt"] = eye.encode()
    return [files]


def submission() -> list[Files]:
    """A benchmark's files: class ids, and a list of masks."""
    ids = "\n".join(map(str, np.repeat([1, 4, 0], 80)))
    mask = "\n".join(map(str, np.repeat([0, 1, 0], 80)))
    listed = "predicted_masks/s_000.txt 4 0.9\npredicted_masks/s_001.txt 2 1e-3\n"
    masks = {"masks/s.txt": listed.encode(), **{f"masks/predicted_masks/s_00{i}.txt": mask.encode() for i in range(2)}}
    return [{"ids/s.txt": ids.encode()}, masks]


def conversion() -> list[Files]:
    """An official checkpoint of a narrow network, each tensor one number that repeats."""
    import torch

    from saymask.models.lground.official import official_state
    from saymask.nn.res16unet.network import Res16UNet
    from saymask.nn.res16unet.plan import small_plan

    state = official_state(Res16UNet(small_plan((8, 8, 8, 8, 8, 8, 8, 20), stem=8, last_relu=True), 200))
    content = {"epoch": 1, "state_dict": {f"model.{k}": torch.zeros(()).expand(v.shape) for k, v in state.items()}}
    out = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        out.append({"a.ckpt": buffer.getvalue()})
    return out


def projections() -> list[Files]:
    """Word projections that LESS needs for conversion, in a safetensors file and a pickle."""
    import torch
    from safetensors.torch import save

    from saymask.models.less.official import OFFICIAL_WIDTHS

    ends = ("0.weight", "0.bias", "3.weight", "3.bias")
    few = {f"word_fuse_layer_{width}.{end}": torch.ones(2, 2) for width in OFFICIAL_WIDTHS for end in ends}
    buffer = io.BytesIO()
    torch.save(few, buffer)
    return [{"a.safetensors": save(few)}, {"a.pth": buffer.getvalue()}]


SEEDS: dict[str, Callable[[], list[Files]]] = {
    "ply": ply, "pcd": pcd, "las": lambda: las("las"), "laz": lambda: las("laz"), "e57": e57, "obj": obj, "glb": glb,
    "gltf": gltf, "stl": stl, "off": off, "npz": npz, "npy": npy,
    **{suffix: (lambda suffix=suffix: text(suffix)) for suffix in TEXT},
    "masks": masks, "scene": scene, "prepared": prepared, "predictions": predictions, "scannet": scannet, "sens": sens,
    "config": config, "checkpoint": checkpoint, "anchors": anchors, "features": features, "pickle": pickles,
    "projections": projections, "frames": frames, "submission": submission, "conversion": conversion,
}  # fmt: skip
"""Reader -> the files that its mutations start from."""
assert set(READERS) <= set(SEEDS), f"no seeds for {set(READERS) - set(SEEDS)}"
