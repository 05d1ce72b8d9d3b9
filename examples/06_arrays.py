"""Use saymask inside a program: arrays in, arrays out, in the order of your points; trimesh both ways.

python examples/06_arrays.py
"""

import json
from pathlib import Path

import numpy as np
import trimesh

import saymask
from saymask.cli.demo import make_example


def main() -> None:
    room = saymask.load_scan(make_example(Path("out")), quiet=True)
    points, colors = room.points * 1000, room.colors / 255  # as another program may hold them: millimetres, 0..1
    points[7] = np.nan  # a point that the scanner lost

    scan = saymask.Scan.from_arrays(points, colors)
    print("\n".join(scan.messages))  # what was found out and done
    objects = saymask.load_model().encode(scan).instances()

    owner = np.full(len(points), -1)  # the number of the object of each of YOUR points
    for i in reversed(range(len(objects))):  # the surest last, so that it wins
        owner[objects.original(i)] = i
    print(f"{(owner >= 0).sum():,} of {len(points):,} points are in {len(objects)} objects; the lost one: {owner[7]}")

    center, size, turn = objects.oriented_box(0)  # metres; turn about z in radians
    print(objects.names[0], "at", center.round(2), "measures", size.round(2), f"turned by {np.degrees(turn):.0f}°")

    text = json.dumps(objects.to_dict())  # run lengths: small enough for a database or a message
    again = saymask.Masks.from_json(scan, json.loads(text))
    assert (again.dense == objects.dense).all()

    mesh = trimesh.load(Path("out/kitchen.ply"))
    chairs = saymask.load_model().encode(saymask.Scan.from_trimesh(mesh)).find("chair")
    print(f"{len(chairs)} chairs in the trimesh object; back again: {chairs.scan.to_trimesh()}")


if __name__ == "__main__":
    main()
