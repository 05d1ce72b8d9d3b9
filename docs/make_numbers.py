"""Write the numbers of the embedded model into README.md, between the two comments; `make docs` does it.

They come from the model's card (`saymask/weights/uniseg3d.rooms.json`), which the measurements were written to.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "saymask" / "weights" / "uniseg3d.rooms.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- numbers: docs/make_numbers.py -->", "<!-- end of numbers -->"


def paragraph(card: dict[str, Any]) -> str:
    """Return the sentences about what the model of a card can do, in lines of 120 characters."""
    metrics = card["metrics"]
    rooms = {task: metrics[task][protocol] for task, protocol in (
        ("refer", "3dres"), ("semantic", "scannet"), ("panoptic", "scannet"), ("interactive", "scannet"),
        ("find", "scannet200"),
    )}  # fmt: skip
    of = {task: {k: 100 * v for k, v in result["overall"].items()} for task, result in rooms.items()}
    worlds = metrics["foreign"]["handheld"]
    said = (
        f"On rooms it has not seen (see [docs/results.md](docs/results.md)): {of['refer']['miou']:.1f} mIoU on "
        f"sentences about one object, {of['interactive']['miou']:.1f} for one click on an object, "
        f"PQ {of['panoptic']['pq']:.1f}, {of['semantic']['miou_present']:.1f} mIoU over ScanNet's 20 classes, "
        f"{of['find']['miou']:.1f} for names of things in the room and "
        f"{100 * rooms['find']['held-out']['miou']:.1f} for names that it was never told. In furnished worlds that "
        f"others made, seen by a hand-held camera: {worlds['semantic']:.1f} mIoU over the classes "
        f"({worlds['points']:.0f} % of the points right), {worlds['click']:.1f} for clicks, {worlds['refer']:.1f} for "
        f"sentences (a random object: {worlds['chance']:.1f}), {worlds['find']:.1f} for names; words without a meaning "
        f"are answered in {worlds['nonsense']:.0f} % of the cases. On real scans it is a demonstration and often wrong."
    )
    return textwrap.fill(said, 120, break_long_words=False, break_on_hyphens=False)


def with_numbers(text: str, card: dict[str, Any]) -> str:
    """Return README's text with the numbers of a card."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{paragraph(card)}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Write the numbers."""
    card = json.loads(CARD.read_text(encoding="utf-8"))
    README.write_text(with_numbers(README.read_text(encoding="utf-8"), card), encoding="utf-8")


if __name__ == "__main__":
    main()
