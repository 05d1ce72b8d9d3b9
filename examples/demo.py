"""A sentence to a mask, from nothing: make a room that no model was trained on, ask for one thing in it, look at it."""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import saymask
from saymask.render.picture import render
from saymask.rooms import make_room, scan_room
from saymask.rooms.write import write_room

# Beyond the 60 validation rooms that the results are measured on; a sentence that the model gets right.
ROOM = 302
SENTENCE = "the chairs at the round table"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--room", type=int, default=ROOM)
    parser.add_argument("--sentence", default=SENTENCE)
    options = parser.parse_args()
    console = Console()

    room = make_room("val", options.room)
    folder = write_room(options.out / "room", room, scan_room(room))
    scan = saymask.load_scan(folder)
    console.print(f"made {folder} ({room.room.kind}): {len(room.room.things)} things, {len(scan):,} points")

    model = saymask.load_model()
    scene = model.encode(scan)
    masks = scene.refer(options.sentence)
    masks.save(options.out / "demo.ply", colored=True)
    render(scan, masks, options.out / "demo.png", title=options.sentence)

    table = Table("mask", "score", "points", "from (m)", "to (m)", "mostly on", title=f"“{options.sentence}”")
    names = {thing.id: thing.category for thing in room.room.things}
    for i in range(len(masks)):
        low, high = masks.box(i)
        owner, count = np.unique(scan.labels["instance"][masks.points(i)], return_counts=True)
        thing = names.get(int(owner[count.argmax()]), "the room itself")
        corners = [", ".join(f"{v:.2f}" for v in corner) for corner in (low, high)]
        table.add_row(str(i), f"{masks.scores[i]:.2f}", f"{masks.count(i):,}", *corners, thing)
    console.print(table if len(masks) else masks.message)
    console.print("seconds: " + ", ".join(f"{stage} {value:.2f}" for stage, value in scene.seconds.items()))
    console.print(f"wrote {options.out / 'demo.ply'} and {options.out / 'demo.png'}")


if __name__ == "__main__":
    main()
