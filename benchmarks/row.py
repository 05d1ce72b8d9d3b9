"""Rooms side by side as one scan, to measure what windows make of scans larger than a room.

    python -m benchmarks.row --rooms DIR [--gap 0.2] [--window 0 10.5] [--model NAME] [--json FILE]

DIR is what `saymask rooms DIR --split val=6 --version 2` wrote. The rooms of its validation split stand in a row along
x, `gap` metres apart, as behind one wall. Every setting of `window` is measured on the row. `room by room` is what the
rooms alone answer, counted together: they stand so far apart that each is a window of its own. `mean of rooms` is the
mean over the rooms alone, whose sentences and words compete with nothing of other rooms. Figures are those of
`benchmarks.foreign`. Sentences are those whose object has a name that no other room of the row has: the others would be
ambiguous in the row.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.foreign import mean, measure, table
from benchmarks.foreign_worlds import World
from saymask.data.annotations import load_annotations
from saymask.geometry.windows import SHARE
from saymask.hub import checkpoints, headers
from saymask.io.scannet import read_scan_folder
from saymask.scan import Scan
from saymask.util.files import write_text
from saymask.util.provenance import provenance

OBJECTS = 1000
"""Numbers of objects that each room has to itself in a row."""
ROOM = 10.5
"""Metres that no room of Rooms exceeds."""


def rooms_of(folder: Path, split: str = "val") -> list[World]:
    """Return the rooms of a split of Rooms with their sentences."""
    files = {"scanrefer": f"ScanRefer_filtered_{split}.json", "multi3drefer": f"multi3drefer_{split}.json"}
    sentences = {source: load_annotations(folder / file, source=source) for source, file in files.items()}
    rooms = []
    for path in sorted((folder / "scans").iterdir()):
        raw = read_scan_folder(path)
        single, several = (
            tuple(a for a in sentences[s] if a.scene_id == path.name) for s in ("scanrefer", "multi3drefer")
        )
        if single or several:
            rooms.append(World(raw.scan, single, several, {}, raw.objects))
    return rooms


def row_of(scans: Sequence[Scan], gap: float) -> Scan:
    """Return scans as one, each `gap` metres beyond the one before along x, with the first corner at 0.

    Objects and superpoints are numbered on; faces stay. `instance` labels are kept apart by multiples of `OBJECTS`.
    """
    points, labels, faces, superpoints = [], list[dict[str, np.ndarray]](), [], []
    end, vertices, patches = 0.0, 0, 0
    for number, scan in enumerate(scans):
        low = scan.points.min(axis=0)
        points.append(scan.points - low + np.float32([end, 0, 0]))
        end = float(points[-1][:, 0].max()) + gap
        instance = scan.labels["instance"].astype(np.int32)
        labels.append({**scan.labels, "instance": np.where(instance >= 0, instance + number * OBJECTS, -1)})
        if scan.faces is not None:
            faces.append(scan.faces + vertices)
        if scan.superpoints is not None:
            superpoints.append(scan.superpoints + patches)
            patches = int(superpoints[-1].max()) + 1
        vertices += len(scan)
    return Scan(
        points=np.concatenate(points),
        colors=np.concatenate([s.colors for s in scans]),
        faces=np.concatenate(faces) if len(faces) == len(scans) else None,
        labels={name: np.concatenate([one[name] for one in labels]) for name in labels[0]},
        superpoints=np.concatenate(superpoints) if len(superpoints) == len(scans) else None,
        name="row",
    )


def told_apart(rooms: Sequence[World]) -> list[World]:
    """Return the rooms with those sentences only whose object has a name that no other room has."""
    names = [set(room.objects.values()) for room in rooms]
    kept = []
    for number, room in enumerate(rooms):
        others = set().union(*(n for i, n in enumerate(names) if i != number))
        own = [
            tuple(a for a in sentences if a.object_ids and room.objects.get(a.object_ids[0]) not in others)
            for sentences in (room.single, room.any_number)
        ]
        kept.append(replace(room, single=own[0], any_number=own[1]))
    return kept


def as_row(rooms: Sequence[World], gap: float) -> World:
    """Return rooms with their sentences as one world."""
    kept = [
        tuple(
            replace(
                a,
                scene_id="row",
                object_ids=tuple(i + number * OBJECTS for i in a.object_ids),
                ann_id=a.ann_id + number * OBJECTS,
            )
            for number, room in enumerate(rooms)
            for a in getattr(room, kind)
        )
        for kind in ("single", "any_number")
    ]
    objects = {i + n * OBJECTS: name for n, room in enumerate(rooms) for i, name in room.objects.items()}
    return World(row_of([room.scan for room in rooms], gap), *kept, {}, objects)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write everything to a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.row", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", type=Path, required=True, help="folder that `saymask rooms` wrote")
    parser.add_argument("--gap", type=float, default=0.2, help="metres between the rooms")
    parser.add_argument("--window", type=float, nargs="+", default=[0.0, 10.5], help="metres; 0 = the row as a whole")
    parser.add_argument("--model", default=headers.DEFAULT)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    model = checkpoints.load_model(options.model)
    rooms = told_apart(rooms_of(options.rooms))
    alone = [measure(model, room, None) for room in rooms]
    rows = {"mean of rooms": mean(alone)}
    sizes = {"refer": [len(room.single) for room in rooms], "refer any": [len(room.any_number) for room in rooms]}
    for column, counts in sizes.items():  # rooms have different numbers of sentences
        weighted = [one.get(column, 0.0) * n for one, n in zip(alone, counts, strict=True)]
        rows["mean of rooms"][column] = float(sum(weighted) / max(1, sum(counts)))
    far, row = as_row(rooms, ROOM + 1), as_row(rooms, options.gap)
    cases = {"room by room": (far, ROOM / SHARE)}
    for window in options.window:
        cases[f"in a row, window {window:g}" + ("" if window else " (as a whole)")] = (row, window)
    for name, (world, window) in cases.items():
        model.config = replace(model.config, window=window)
        start = time.process_time()
        rows[name] = measure(model, world, None)
        print(f"{name}: {time.process_time() - start:.0f} CPU s", file=sys.stderr)
    print(table(f"{len(rooms)} rooms in a row, {sum(sizes['refer'])} + {sum(sizes['refer any'])} sentences", rows))
    if options.json:
        facts = provenance(data=options.rooms / "scans", checkpoint=headers.find_checkpoint(options.model))
        write_text(options.json, json.dumps({"settings": rows, "provenance": facts}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
