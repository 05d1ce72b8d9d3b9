"""Draw docs/pictures/*.jpg: what the pages show, made from the example room by the embedded model and the examples.

`python docs/make_pictures.py` writes all of them again; `make docs` does it.
"""

import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

import saymask
from saymask.cli.demo import make_example
from saymask.io.ply import read_ply
from saymask.render.picture import draw
from saymask.util.files import atomic_path

HERE = Path(__file__).resolve().parent
SIZE = (960, 640)
QUALITY = 80
"""Of the JPEG files, which so stay below 150 kB."""
SENTENCE = "the chairs at the round table"
WORDS = ["something to sit on", "refrigerator", "sink"]
CLICKS = [(-0.35, 3.59, 0.74), (-0.03, 3.5, 0.0)]


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield name and image of every picture."""
    with tempfile.TemporaryDirectory() as folder:
        file = make_example(Path(folder))
        scan = saymask.load_scan(file, quiet=True)
        scene = saymask.load_model().encode(scan)
        hit, found = scene.refer(SENTENCE), scene.find(WORDS)
        clicked = scene.click(CLICKS, positive=[True, False], objects=0)
        yield "refer", draw(scan, hit, size=SIZE, title=SENTENCE)
        yield "find", draw(scan, found, size=SIZE, title=", ".join(WORDS))
        marks = list(zip(CLICKS, (True, False), strict=True))
        yield (
            "click",
            draw(
                scan, clicked, size=SIZE, title="a click on the table, a second one on its foot: not that", clicks=marks
            ),
        )
        yield "classes", draw(scan, scene.semantic(), size=SIZE, title="classes")
        yield "objects", draw(scan, scene.instances(), size=SIZE, title="objects")
        yield "columns", columns(scan, scene.panoptic(), Path(folder))
        yield "prompts", prompts(scan, scene)
    yield "robot", robot()


def columns(scan: saymask.Scan, masks: saymask.Masks, folder: Path) -> Image.Image:
    """Return the saved file in grey steps of its column `mask_id`, as a viewer of scalar fields shows it."""
    ids = read_ply(masks.save(folder / "all.ply")).columns["mask_id"]
    shade = 40 + 200 * (ids.astype(int) + 1) // (int(ids.max()) + 1)
    grey = np.repeat(shade.astype(np.uint8)[scan_rows(scan), None], 3, axis=1)
    shown = saymask.Scan(scan.points, grey, faces=scan.faces, name=scan.name)
    return draw(shown, size=SIZE, title="mask_id")


def scan_rows(scan: saymask.Scan) -> np.ndarray:
    """Return for each point of a scan a row of its file that it stands for."""
    assert scan.source is not None
    rows = np.zeros(len(scan), np.int64)
    rows[scan.source.index[scan.source.index >= 0]] = np.flatnonzero(scan.source.index >= 0)
    return rows


def prompts(scan: saymask.Scan, scene: saymask.Scene) -> Image.Image:
    """Return the sheet of the example that asks in all six ways."""
    example = import_module("examples.05_all_prompts")
    answers, _ = example.ask(scene, SENTENCE, list(example.NAMES))
    sheet = example.grid(scan, answers)
    return sheet.resize((SIZE[0], SIZE[0] * sheet.height // sheet.width), Image.Resampling.LANCZOS)


def robot() -> Image.Image:
    """Return the frame of the robot's camera with the pixels of what was asked for."""
    example = import_module("examples.07_robot")
    frame = example.example_frame()
    sighting = example.look(saymask.load_model(), frame, example.WORD)[0]
    return example.overlay(frame, sighting).resize((640, 480), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the pictures."""
    sys.path.insert(0, str(HERE.parent))  # the examples
    for name, image in pictures():
        file = HERE / "pictures" / f"{name}.jpg"
        with atomic_path(file) as temporary:
            image.convert("RGB").save(temporary, "JPEG", quality=QUALITY)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
