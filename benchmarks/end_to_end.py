"""A scan of 150,000 points and a sentence to a mask: seconds of each stage, the second sentence, peak memory.

    python benchmarks/end_to_end.py [--points 150000] [--cloud] [--model NAME] [--json]

The room is procedural (a floor, walls, furniture as boxes, sampled as a connected mesh like a reconstruction's);
`--cloud` leaves the faces out. Without embedded weights the preset is measured with random ones, which take as long.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np
import torch

from saymask.errors import InputError
from saymask.hub import checkpoints, headers, registry
from saymask.models.base import Model
from saymask.scan import Scan
from saymask.scene.scene import Scene

SENTENCES = (
    "the grey office chair that is closest to the door, in front of the long wooden desk",
    "a white cabinet against the wall, to the left of the window when you face it",
)


def procedural_room(points: int, seed: int = 0, mesh: bool = True) -> Scan:
    """Return a room of about `points` vertices: grids on the floor, the walls and the faces of 40 boxes."""
    rng = np.random.default_rng(seed)
    width, depth, height = 7.0, 6.0, 2.6
    x, y, z = np.diag([width, depth, height])
    patches = [(np.zeros(3), x, y, 150), (np.zeros(3), x, z, 210), (np.zeros(3), y, z, 200), (x, y, z, 200)]
    for _ in range(40):
        size = rng.uniform([0.3, 0.3, 0.3], [1.2, 0.9, 1.1])
        low = np.append(rng.uniform(0.1, [width - size[0] - 0.1, depth - size[1] - 0.1]), 0.0)
        dx, dy, dz = np.diag(size)
        shade = rng.uniform(30, 230)
        patches += [(low + dz, dx, dy, shade), (low, dx, dz, shade), (low, dy, dz, shade)]
        patches += [(low + dy, dx, dz, shade), (low + dx, dy, dz, shade)]
    edges = np.array([[np.linalg.norm(u), np.linalg.norm(v)] for _, u, v, _ in patches])
    step = float(np.sqrt(edges.prod(1).sum() / points))
    for _ in range(5):  # the rows on the edges count too
        step *= float(np.sqrt((edges / step + 1).prod(1).sum() / points))
    vertices, colors, faces, start = [], [], [], 0
    for corner, u, v, shade in patches:
        n, m = (max(2, round(np.linalg.norm(edge) / step) + 1) for edge in (u, v))
        a, b = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
        grid = corner + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v
        rows = start + np.arange(n * m).reshape(n, m)
        quads = rows[:-1, :-1].ravel(), rows[1:, :-1].ravel(), rows[1:, 1:].ravel(), rows[:-1, 1:].ravel()
        faces += [np.stack([quads[0], quads[1], quads[2]], 1), np.stack([quads[0], quads[2], quads[3]], 1)]
        vertices.append(grid + rng.normal(0, 0.002, grid.shape))
        colors.append(np.clip(shade + rng.normal(0, 6, (n * m, 3)), 0, 255))
        start += n * m
    return Scan(
        points=np.concatenate(vertices).astype(np.float32),
        colors=np.concatenate(colors).astype(np.uint8),
        faces=np.concatenate(faces).astype(np.int32) if mesh else None,
        name="procedural room",
    )


def load(name: str | None) -> tuple[Model, str]:
    """Return the model and where its weights are from."""
    try:
        return checkpoints.load_model(name), "embedded or given"
    except InputError:
        if name not in (None, *registry.PRESETS):
            raise
        return registry.build(name or headers.DEFAULT).eval(), "random"


def measure(points: int, mesh: bool, name: str | None, repeats: int) -> dict:
    scan = procedural_room(points, mesh=mesh)
    start = time.perf_counter()
    model, weights = load(name)
    loading = time.perf_counter() - start
    runs = []
    for _ in range(repeats + 1):
        scene = Scene(model, scan)
        first = scene.refer(SENTENCES[0])
        seconds = dict(scene.seconds)
        scene.refer(SENTENCES[1])
        runs.append({**seconds, "second_sentence": scene.seconds["refer"]})
    # The first run compiles kernels (or loads them from their cache) and is told apart from the others.
    median = {stage: float(np.median([run[stage] for run in runs[1:]])) for stage in runs[0]}
    return {
        "points": len(scan),
        "faces": 0 if scan.faces is None else len(scan.faces),
        "model": model.card.get("name", model.system),
        "weights": weights,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "masks": len(first),
        "seconds": {k: round(v, 4) for k, v in median.items()},
        "total_seconds": round(sum(v for k, v in median.items() if k != "second_sentence"), 4),
        "first_run_seconds": round(sum(v for k, v in runs[0].items() if k != "second_sentence"), 4),
        "load_model_seconds": round(loading, 4),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a scan and a sentence to a mask.")
    parser.add_argument("--points", type=int, default=150_000)
    parser.add_argument("--cloud", action="store_true", help="leave the faces out: superpoints of a bare cloud")
    parser.add_argument("--model", default=None, help="checkpoint or preset; default: the embedded one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    result = measure(options.points, not options.cloud, options.model, options.repeats)
    out = sys.stderr if options.json else sys.stdout
    print(
        f"{result['model']} ({result['weights']} weights) on {result['device']}, {result['threads']} threads", file=out
    )
    print(f"{result['points']:,} points, {result['faces']:,} faces", file=out)
    for stage, seconds in result["seconds"].items():
        print(f"  {stage:<16} {seconds:8.3f} s", file=out)
    print(f"  {'scan to mask':<16} {result['total_seconds']:8.3f} s", file=out)
    print(f"  {'first run':<16} {result['first_run_seconds']:8.3f} s", file=out)
    print(f"  {'peak memory':<16} {result['peak_rss_mb']:8.1f} MB", file=out)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
