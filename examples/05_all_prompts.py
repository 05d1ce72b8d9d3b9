"""One scan, encoded once, asked in all six ways: the answers in a table, in a file, and in one picture.

    python examples/05_all_prompts.py [--model NAME] [--scan kitchen.ply --sentence "the grey chair" --names chair sink]

Without `--scan` a kitchen is made that no model was trained on.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

import saymask
from saymask.render.picture import draw
from saymask.rooms import make_room, scan_room
from saymask.rooms.write import write_room

# Beyond the 60 validation rooms that the results are measured on.
ROOM = 302
SENTENCE = "the chairs at the round table"
NAMES = ("refrigerator", "sink", "window", "chair")
COLUMNS = 2
SIZE = (960, 720)


def on(masks: saymask.Masks, i: int) -> np.ndarray:
    """Return a place to click at: the point of mask i that is nearest to its middle."""
    points = masks.scan.points[masks.points(i)]
    return points[np.linalg.norm(points - np.median(points, axis=0), axis=1).argmin()]


def elsewhere(masks: saymask.Masks, place: np.ndarray) -> np.ndarray:
    """Return where the mask of a click at `place` reaches farthest from it: what the user did not mean."""
    distance = np.linalg.norm(masks.scan.points - place, axis=1)
    other = masks.index != masks.index[distance.argmin()]  # the patch clicked on is the least that a model tells apart
    inside = other & masks.points(0)
    return masks.scan.points[np.where(inside if inside.any() else other, distance, -1).argmax()]


def grid(scan: saymask.Scan, answers: dict[str, saymask.Masks]) -> Image.Image:
    """Return the pictures of all answers, side by side."""
    rows = -(-len(answers) // COLUMNS)
    sheet = Image.new("RGB", (SIZE[0] * COLUMNS, SIZE[1] * rows), "white")
    for i, (title, masks) in enumerate(answers.items()):
        picture = draw(scan, masks, size=SIZE, title=title)
        sheet.paste(picture, (i % COLUMNS * SIZE[0], i // COLUMNS * SIZE[1]))
    return sheet


def ask(scene: saymask.Scene, sentence: str, names: list[str]) -> tuple[dict[str, saymask.Masks], saymask.Masks]:
    """Return the answers to all prompts by what was asked, the clicks last, and that to the first click alone."""
    answers = {
        sentence: scene.refer(sentence),
        ", ".join(names): scene.find(names),
        "semantic": scene.semantic(),
        "instances": scene.instances(),
        "panoptic": scene.panoptic(),
    }
    # Click on the first thing that was found, then say that the farthest part of the mask does not belong to it.
    place = next((on(masks, 0) for masks in answers.values() if len(masks)), scene.scan.points[len(scene.scan) // 2])
    clicks = scene.clicks()
    first = clicks.add(place)
    answers["click at ({:.2f}, {:.2f}, {:.2f})".format(*place)] = clicks.add(elsewhere(first, place), positive=False)
    return answers, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument(
        "--model", default=None, help="a checkpoint that comes with saymask, or a file; the default one"
    )
    parser.add_argument("--scan", type=Path, default=None, help="a scan of your own")
    parser.add_argument("--sentence", default=SENTENCE)
    parser.add_argument("--names", nargs="+", default=list(NAMES))
    options = parser.parse_args()
    console = Console()

    path = options.scan
    if path is None:
        room = make_room("val", ROOM)
        path = write_room(options.out / "room", room, scan_room(room))
    scan = saymask.load_scan(path)
    model = saymask.load_model(options.model)
    scene = model.encode(scan)  # the slow call; every prompt after it is cheap
    console.print(f"{scan.name}: {len(scan):,} points, encoded in {sum(scene.seconds.values()):.2f} s")

    answers, first = ask(scene, options.sentence, options.names)
    click = list(answers)[-1]
    table = Table("verb", "asked", "masks", "points", "best", "seconds")
    for verb, (asked, masks) in zip(("refer", "find", "semantic", "instances", "panoptic", "click"), answers.items()):
        question, seconds = "" if asked == verb else asked, f"{scene.seconds[verb]:.3f}"
        name = f" {masks.names[0]}" if len(masks) and masks.labels is not None else ""
        best = f"{masks.scores[0]:.2f}{name}" if len(masks) else ""
        table.add_row(verb, question, f"{len(masks):,}", f"{masks.union().sum():,}", best, seconds)
    console.print(table)
    for masks in answers.values():
        if masks.message:
            console.print(masks.message)
    console.print(f"{click}: {first.count(0):,} points, {answers[click].count(0):,} after the negative click")

    options.out.mkdir(parents=True, exist_ok=True)
    saved = answers["panoptic"].save(options.out / "all_prompts.ply", colored=True)
    picture = options.out / "all_prompts.png"
    grid(scan, answers).save(picture)
    console.print(f"wrote {saved} and {picture}")


if __name__ == "__main__":
    main()
