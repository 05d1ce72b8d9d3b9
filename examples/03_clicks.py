"""Click on a thing, take a part back with a second click, and go on to the next thing.

python examples/03_clicks.py
"""

from pathlib import Path

import saymask
from saymask.cli.demo import make_example

TABLE, FOOT, CHAIR = (-0.35, 3.59, 0.74), (-0.03, 3.5, 0.0), (-1.1, 4.1, 0.45)
"""Places on things of the kitchen, metres, z up."""


def main() -> None:
    scene = saymask.load_model().encode(make_example(Path("out")))
    clicks = scene.clicks()
    for said, masks in (
        ("a click on the table", clicks.add(TABLE)),
        ("without its foot", clicks.add(FOOT, positive=False)),
        ("and a chair", clicks.add(CHAIR, object=1)),
        ("the last click undone", clicks.undo()),
    ):
        print(said, [f"{name}: {masks.count(i):,} points" for i, name in enumerate(masks.names)])
    clicks.add(CHAIR, object=1).save(Path("out/clicks.ply"), colored=True)


if __name__ == "__main__":
    main()
