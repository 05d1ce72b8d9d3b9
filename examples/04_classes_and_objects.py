"""Give every point a class, every object a mask, and both at once; count the furniture.

python examples/04_classes_and_objects.py [SCAN]
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

import saymask
from saymask.cli.demo import make_example


def main(path: str = "") -> None:
    scan = saymask.load_scan(path or make_example(Path("out")), quiet=True)
    scene = saymask.load_model().encode(scan)

    classes = scene.semantic()  # a mask per class that occurs
    for i in np.argsort([-classes.count(i) for i in range(len(classes))])[:5]:
        print(f"{classes.names[i]}: {100 * classes.count(i) / len(scan):.0f} % of the points")
    yours = scene.semantic(["furniture", "wall", "floor"])  # every point gets the nearest of these names
    print({name: yours.count(i) for i, name in enumerate(yours.names)})

    objects = scene.instances().filter(score=0.5)
    print(dict(Counter(objects.names)))

    everything = scene.panoptic()  # masks that do not overlap
    assert not (everything.dense.sum(axis=0) > 1).any()
    everything.save(Path("out/panoptic.ply"))  # the columns mask_id and label say all


if __name__ == "__main__":
    main(*sys.argv[1:])
