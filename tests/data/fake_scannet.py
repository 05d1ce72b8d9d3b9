"""Tiny ScanNet-layout folders for tests: rooms of a few thousand vertices with boxes as furniture."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CATEGORIES = ("chair", "table", "couch", "desk", "bookshelf", "refrigerator", "cabinet", "trash can")
COLORS = {"red": (190, 40, 40), "green": (50, 150, 60), "blue": (50, 70, 180), "white": (230, 230, 225)}
# raw_category, id (ScanNet200), nyu40id, nyu40class as ScanNet's own table spells it
TABLE = (
    ("wall", 1, 1, "wall"),
    ("floor", 3, 2, "floor"),
    ("chair", 2, 5, "chair"),
    ("table", 4, 7, "table"),
    ("couch", 6, 6, "sofa"),
    ("desk", 9, 14, "desk"),
    ("bookshelf", 18, 10, "bookshelf"),
    ("refrigerator", 27, 24, "refridgerator"),
    ("cabinet", 7, 3, "cabinet"),
    ("trash can", 56, 39, "otherfurniture"),
)
HEADER = (
    "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class\teigen13class\tModelNet40\tModelNet10\t"
    "ShapeNetCore55\tsynsetoffset\twnsynsetid\twnsynsetkey\tmpcat40\tmpcat40index"
)


@dataclass(frozen=True)
class Box:
    category: str
    color: str
    low: np.ndarray
    high: np.ndarray


def make_fake_scannet(root: Path, *, train: int = 3, val: int = 2, seed: int = 0) -> None:
    """Write `train` + `val` scans with meshes, segments, groups, alignments, the label table, splits and sentences."""
    root = Path(root)
    (root / "splits").mkdir(parents=True, exist_ok=True)
    write_table(root / "scannetv2-labels.combined.tsv")
    number = 0
    for split, count in (("train", train), ("val", val)):
        names, scanrefer, multi = [], [], []
        for _ in range(count):
            name = f"scene{number:04d}_00"
            boxes = make_scan(root / "scans" / name, np.random.default_rng([seed, number]))
            names.append(name)
            scanrefer += scanrefer_entries(name, boxes)
            multi += multi3drefer_entries(name, boxes)
            number += 1
        (root / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n")
        (root / f"ScanRefer_filtered_{split}.json").write_text(json.dumps(scanrefer))
        (root / f"multi3drefer_{split}.json").write_text(json.dumps(multi))


def write_table(path: Path) -> None:
    rows = [HEADER]
    for raw, number, nyu40id, nyu40class in TABLE:
        cells = [str(number), raw, raw, "1", str(nyu40id), "0", "", nyu40class, *[""] * 9]
        rows.append("\t".join(cells))
    path.write_text("\n".join(rows) + "\n")


def make_scan(folder: Path, rng: np.random.Generator) -> list[Box]:
    """Write one scan of about 4,000 vertices; object 0 is the floor, 1 and 2 are walls, boxes follow."""
    folder.mkdir(parents=True, exist_ok=True)
    width, depth = rng.uniform(3.0, 3.6, 2)
    boxes = _place(rng, width, depth)
    corner, x, y, z = np.zeros(3), np.array([width, 0, 0]), np.array([0, depth, 0]), np.array([0, 0, 1.2])
    surfaces = [(0, corner, x, y), (1, corner, x, z), (2, corner, y, z)]  # object, corner, two edges
    for i, box in enumerate(boxes, start=3):
        dx, dy, dz = np.diag(box.high - box.low)
        surfaces += [
            (i, box.low + dz, dx, dy),
            (i, box.low, dx, dz),
            (i, box.low + dy, dx, dz),
            (i, box.low, dy, dz),
            (i, box.low + dx, dy, dz),
        ]
    colors = [(150, 130, 110), (200, 200, 195), (200, 200, 195), *(COLORS[b.color] for b in boxes)]
    points, rgb, faces, segments, start = [], [], [], [], 0
    owners: dict[int, list[int]] = {}
    for number, (owner, low, first, second) in enumerate(surfaces):
        p, f = _grid(low, first, second, step=0.1 if owner < 3 else 0.06)
        points.append(p + rng.normal(0, 0.001, p.shape))
        rgb.append(np.clip(np.array(colors[owner]) + rng.normal(0, 8, p.shape), 0, 255))
        faces.append(f + start)
        segments.append(np.full(len(p), 7 * number + 3))
        owners.setdefault(owner, []).append(7 * number + 3)
        start += len(p)
    labels = ["floor", "wall", "wall", *(b.category for b in boxes)]
    groups = [
        {"id": i, "objectId": i, "label": label, "segments": owners[i]}
        for i, label in enumerate(labels)
        if i != 2  # a wall that nobody annotated
    ]
    name = folder.name
    turn = rng.uniform(-0.4, 0.4)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, 3] = [-width / 2, -depth / 2, 0.02]
    raw = (np.concatenate(points) - matrix[:3, 3]) @ matrix[:3, :3]  # the alignment brings them back
    write_mesh(folder / f"{name}_vh_clean_2.ply", raw, np.concatenate(rgb), np.concatenate(faces))
    segs = {"sceneId": name, "segIndices": np.concatenate(segments).tolist()}
    (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segs))
    (folder / f"{name}.aggregation.json").write_text(json.dumps({"sceneId": f"scannet.{name}", "segGroups": groups}))
    numbers = " ".join(f"{v:.6f}" for v in matrix.ravel())
    (folder / f"{name}.txt").write_text(f"numDepthFrames = 10\naxisAlignment = {numbers} \nsceneType = Office\n")
    return boxes


def _place(rng: np.random.Generator, width: float, depth: float) -> list[Box]:
    """Place six boxes on a 3 x 2 grid of places; two of them share a category."""
    names = list(rng.permutation(CATEGORIES)[:5])
    names.append(names[0])
    boxes = []
    for place, category in enumerate(names):
        size = rng.uniform([0.45, 0.45, 0.4], [0.65, 0.65, 0.9])
        cell = np.array([width / 3, depth / 2, 0])
        low = cell * [place % 3, place // 3, 0] + (cell - size) * [0.5, 0.5, 0]
        low[2] = 0.01
        boxes.append(Box(str(category), str(rng.choice(list(COLORS))), low, low + size))
    return boxes


def _grid(corner: np.ndarray, u: np.ndarray, v: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and triangles of a rectangle."""
    n, m = (max(2, int(np.linalg.norm(e) / step) + 1) for e in (u, v))
    s, t = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
    points = corner + s.reshape(-1, 1) * u + t.reshape(-1, 1) * v
    at = np.arange(n * m).reshape(n, m)
    a, b, c, d = at[:-1, :-1].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel(), at[:-1, 1:].ravel()
    return points, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def write_mesh(path: Path, points: np.ndarray, colors: np.ndarray, faces: np.ndarray) -> None:
    """Write a binary little-endian PLY as ScanNet does."""
    vertex = np.zeros(len(points), dtype=[("p", "<f4", 3), ("c", "u1", 4)])
    vertex["p"], vertex["c"][:, :3], vertex["c"][:, 3] = points, colors, 255
    face = np.zeros(len(faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    face["n"], face["v"] = 3, faces
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {c}" for c in ("red", "green", "blue", "alpha")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    path.write_bytes("\n".join(header).encode() + vertex.tobytes() + face.tobytes())


def _center(box: Box) -> np.ndarray:
    return (box.low + box.high) / 2


def scanrefer_entries(name: str, boxes: list[Box]) -> list[dict]:
    """Two sentences per box, in ScanRefer's form: ids are text, ann_id restarts with each object."""
    entries = []
    for i, box in enumerate(boxes):
        others = [b for b in boxes if b is not box]
        near = min(others, key=lambda b: float(np.linalg.norm(_center(b) - _center(box))))
        texts = (
            f"this is a {box.color} {box.category}. it is next to the {near.color} {near.category}.",
            f"the {box.category} to the left of the {near.category}, it is {box.color}.",
        )
        for ann, text in enumerate(texts):
            entries.append(
                {
                    "scene_id": name,
                    "object_id": str(i + 3),
                    "object_name": box.category.replace(" ", "_"),
                    "ann_id": str(ann),
                    "description": text,
                    "token": text.replace(".", " .").replace(",", " ,").split(),
                }
            )
    return entries


def multi3drefer_entries(name: str, boxes: list[Box]) -> list[dict]:
    """One sentence per category (one or several objects), and one about nothing that is there."""
    entries = []
    for category in dict.fromkeys(b.category for b in boxes):
        ids = [i + 3 for i, b in enumerate(boxes) if b.category == category]
        kind = "mt" if len(ids) > 1 else "st_wo_d"
        entries.append(_multi(name, len(entries), ids, f"every {category} of the room", kind, category))
    absent = next(c for c in CATEGORIES if c not in {b.category for b in boxes})
    entries.append(_multi(name, len(entries), [], f"the {absent} by the wall", "zt_wo_d", absent))
    return entries


def _multi(name: str, ann: int, ids: list[int], text: str, kind: str, category: str) -> dict:
    flags = {"spatial": False, "color": False, "texture": False, "shape": False}
    return {
        "scene_id": name,
        "object_ids": ids,
        "object_name": category.replace(" ", "_"),
        "ann_id": ann,
        "description": text,
        "eval_type": kind,
        **flags,
    }
