"""Writing a scanned room as the files of a ScanNet scan, and the label table that goes with them.

Ids, segments and labels agree by construction: a segment (superpoint) belongs to the object that owns most of its
vertices, and the labels are those of the segments.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from saymask.geometry.votes import most_frequent
from saymask.labels.tables import packaged_label_table, scannet20
from saymask.rooms.furniture.design import categories
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.write_frames import write_frames
from saymask.util.files import write_text
from saymask.util.temporaries import temporary_folder

SHELL = ("wall", "floor", "ceiling")
# Column nyu40class of the label table (NYU Depth v2, 40 classes; 24 spelled as in ScanRefer's copy).
NYU40 = (
    "void", "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
    "ceiling", "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard",
    "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture",
    "otherprop",
)  # fmt: skip
COLUMNS = (
    "id", "raw_category", "category", "count", "nyu40id", "eigen13id", "nyuClass", "nyu40class", "eigen13class",
    "ModelNet40", "ModelNet10", "ShapeNetCore55", "synsetoffset", "wnsynsetid", "wnsynsetkey", "mpcat40",
    "mpcat40index",
)  # fmt: skip


def scan_files(id: str) -> tuple[str, ...]:
    """Return the names of the files of a scan."""
    return (
        f"{id}_vh_clean_2.ply", f"{id}_vh_clean_2.labels.ply", f"{id}_vh_clean_2.0.010000.segs.json",
        f"{id}.aggregation.json", f"{id}.txt",
    )  # fmt: skip


def write_room(out: str | Path, mesh: RoomMesh, capture: Capture) -> Path:
    """Write OUT/scans/<id>/ with the five files of a ScanNet scan and return that folder.

    The folder appears at once and complete, or not at all. Objects that the sensor did not see have no segments and are
    not listed. The frames of a capture are written to OUT/frames/<id>/ before.
    """
    room, scans = mesh.room, Path(out) / "scans"
    scans.mkdir(parents=True, exist_ok=True)
    if capture.frames is not None:
        with _complete(Path(out) / "frames" / room.id, scans) as folder:
            write_frames(folder, capture.frames)
    segments = _segments(capture)
    owner = most_frequent(capture.objects, segments)
    labels = {body.id: body.label for body in mesh.bodies}
    with _complete(scans / room.id, scans) as folder:
        ply, labelled, segs, aggregation, text = (folder / name for name in scan_files(room.id))
        table = packaged_label_table()
        nyu40 = np.array([table.rows[labels[i]].nyu40id for i in owner.tolist()], dtype=np.uint16)
        write_mesh(ply, capture)
        write_mesh(labelled, capture, nyu40[segments])
        name = f"scannet.{room.id}"
        _dump(
            segs,
            {"params": {"kThresh": "0.01", "segMinVerts": "20"}, "sceneId": room.id, "segIndices": segments.tolist()},
        )
        groups = [
            {"id": n, "objectId": i, "segments": np.flatnonzero(owner == i).tolist(), "label": labels[i]}
            for n, i in enumerate(sorted(set(owner.tolist())))
        ]
        file = f"{name}_vh_clean_2.0.010000.segs.json"
        _dump(aggregation, {"sceneId": name, "appId": "saymask.rooms", "segGroups": groups, "segmentsFile": file})
        c, s = np.cos(mesh.alignment), np.sin(mesh.alignment)
        matrix = (c, -s, 0, 0, s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
        numbers = " ".join(f"{v + 0.0:.9f}" for v in matrix)
        text.write_text(f"axisAlignment = {numbers} \nsceneType = {room.kind.title()}\n", encoding="utf-8")
    return scans / room.id


@contextmanager
def _complete(final: Path, beside: Path) -> Iterator[Path]:
    """Yield a temporary folder in `beside` that takes the place of `final` when everything in it is on the disk."""
    with temporary_folder(beside) as temporary:
        os.chmod(temporary, 0o755)  # noqa: S103 - a folder of the user's, like any other
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
        if final.exists():
            shutil.rmtree(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.rename(temporary, final)


def _segments(capture: Capture) -> np.ndarray:
    """Return the superpoint of every vertex, int32 [n]."""
    from saymask.geometry.superpoints import mesh_superpoints

    return mesh_superpoints(capture.vertices, capture.faces, k_threshold=0.01, min_vertices=20)


def write_mesh(path: Path, capture: Capture, labels: np.ndarray | None = None) -> None:
    """Write a binary little-endian PLY with vertices, colours, triangles, and labels where given."""
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("alpha", "u1")]
    names = ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue", "uchar alpha"]
    if labels is not None:
        fields.append(("label", "<u2"))
        names.append("ushort label")
    vertices = np.empty(len(capture.vertices), dtype=fields)
    for k, axis in enumerate("xyz"):
        vertices[axis] = capture.vertices[:, k]
    for k, channel in enumerate(("red", "green", "blue", "alpha")):
        vertices[channel] = capture.colors[:, k]
    if labels is not None:
        vertices["label"] = labels
    faces = np.empty(len(capture.faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, capture.faces
    header = ["ply", "format binary_little_endian 1.0", "comment saymask rooms", f"element vertex {len(vertices)}"]
    header += [f"property {name}" for name in names]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    with open(path, "wb") as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())


def _dump(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def write_label_table(path: str | Path, counts: dict[str, int], version: int) -> None:
    """Write scannetv2-labels.combined.tsv: ScanNet's 17 columns, one row per category of a version of the rooms.

    `counts` gives the number of instances per category. Columns without a meaning here stay empty.
    """
    table = packaged_label_table()
    named20 = {c.nyu40id for c in scannet20()}
    lines = ["\t".join(COLUMNS)]
    for name in sorted({*categories(version), *SHELL}, key=lambda n: (table.rows[n].id, n)):
        row = table.rows[name]
        value = dict.fromkeys(COLUMNS, "")
        value |= {"id": str(row.id), "raw_category": name, "category": name, "count": str(counts.get(name, 0))}
        value |= {"nyu40id": str(row.nyu40id), "nyuClass": name, "nyu40class": NYU40[row.nyu40id]}
        assert row.nyu40id not in named20 or row.nyu40class != ""
        lines.append("\t".join(value[c] for c in COLUMNS))
    write_text(path, "\n".join(lines) + "\n")
