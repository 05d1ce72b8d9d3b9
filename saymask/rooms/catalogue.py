"""The catalogue of what rooms hold, as a table: ScanNet200's names with the number of designs of each.

    python -m saymask.rooms.catalogue [--furniture FILE] > docs/systems/rooms_catalogue.md

With a furniture library the last column says how many of its models are of the class.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from saymask.labels.tables import scannet200
from saymask.rooms.furniture.design import designs
from saymask.rooms.furniture.library import read_library
from saymask.rooms.write import SHELL

TITLE = """# What rooms hold

Designs per class of ScanNet200 in version 1 and 2 of [Rooms](rooms.md), and models of a furniture library made of Sweet
Home 3D's models and the House Interior Pack (`saymask rooms --version 2 --furniture FILE`). Made by
`python -m saymask.rooms.catalogue`.
"""


def catalogue(models: Counter[str] | None = None) -> str:
    """Return the table in Markdown; `models` counts a library's models per class."""
    rows = ["| class | designs, version 1 | version 2 | library models |", "|---|---|---|---|"]
    for name in sorted(c.name for c in scannet200()):
        counts = ["the shell"] * 2 if name in SHELL else [str(len(designs(name, version))) for version in (1, 2)]
        rows.append(f"| {name} | {counts[0]} | {counts[1]} | {models[name] if models else ''} |")
    return TITLE + "\n" + "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the catalogue."""
    parser = argparse.ArgumentParser(prog="python -m saymask.rooms.catalogue")
    parser.add_argument("--furniture", type=Path)
    path = parser.parse_args(arguments).furniture
    print(catalogue(Counter(read_library(str(path)).kinds.tolist()) if path else None), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
