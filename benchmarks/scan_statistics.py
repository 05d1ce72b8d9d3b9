"""Generated rooms in numbers beside real scans: heights, completeness, roughness, tones, superpoints.

    python -m benchmarks.scan_statistics [--sensor handheld rgbd ...] [--rooms 8] [--version 2] [--seed 0]
    python -m benchmarks.scan_statistics --data PREPARED [--split val] [--rooms 20]

Prints the median over the scans of each statistic beside the median and range of four real ScanNet scans
(`benchmarks/real_scans.json`: numbers only, three of the scans have colour, one has faces), and the ratio to that
median. Lengths are metres, roughness millimetres, angles degrees, luminance and colour 0..255. Without --data, rooms of
the split `test` are made for each sensor.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from saymask.data.scenes import aligned_points, load_scene
from saymask.geometry.normals import estimate_normals
from saymask.geometry.superpoints import superpoints_of
from saymask.labels.tables import packaged_label_table
from saymask.rooms import make_room, scan_room
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.scan import Scan

KINDS = ("bedroom", "meeting room", "living room", "office")
REAL = Path(__file__).parent / "real_scans.json"
SAMPLES = 1500
"""Points at which what depends on a neighbourhood is looked at."""
LUMINANCE = np.array([0.299, 0.587, 0.114])
PLAN = 0.1
"""Edge of the cells of the floor plan, metres."""
WALL, FLOOR, CHAIR, TABLE, DOOR = 1, 2, 5, 7, 8
"""NYU40 ids."""


def real_scans() -> dict[str, tuple[float, float, float]]:
    """Return median, least and largest value over real scans of each statistic."""
    return {name: tuple(values) for name, values in json.loads(REAL.read_text(encoding="utf-8")).items()}


def scan_statistics(scan: Scan) -> dict[str, float]:
    """Return the statistics of a labelled scan (nyu40, instance; metres, z up); what it has no data for is missing."""
    points, nyu40 = aligned_points(scan).astype(np.float64), scan.labels["nyu40"]
    floor = points[nyu40 == FLOOR, 2]
    points[:, 2] -= np.median(floor) if len(floor) else np.percentile(points[:, 2], 1)
    return (
        _places(points, scan)
        | _mesh(scan, _plan(points))
        | _shape(points, scan)
        | _objects(points, scan)
        | _colors(points, scan)
        | _superpoints(scan, _plan(points))
    )


def _cells(points: np.ndarray, edge: float) -> np.ndarray:
    return np.unique(np.floor(points / edge).astype(np.int64), axis=0)


def _plan(points: np.ndarray) -> float:
    """Return the plan's area, square metres."""
    return len(_cells(points[:, :2], PLAN)) * PLAN**2


def _places(points: np.ndarray, scan: Scan) -> dict[str, float]:
    height, plan = points[:, 2], _plan(points)
    found = {f"height_above_floor_m/p{p:02}": float(np.percentile(height, p)) for p in (25, 50, 75, 95, 99)}
    floor = points[scan.labels["nyu40"] == FLOOR]
    small = len(_cells(points, 0.02))
    distance = KDTree(points).query(points[:: max(1, len(points) // 20_000)], k=2)[0][:, 1]
    normals = np.abs(estimate_normals(points.astype(np.float32), orient=False)[:, 2])
    return found | {
        "height_mean_m": float(height.mean()),
        "plan_share_without_floor_point": 1 - len(_cells(floor[:, :2], PLAN)) * PLAN**2 / plan,
        "voxels_2cm_per_m2_plan": small / plan,
        "voxels_5cm_per_m2_plan": len(_cells(points, 0.05)) / plan,
        "points_per_2cm_voxel": len(points) / small,
        "nearest_neighbour_m/p50": float(np.median(distance)),
        "share_points_normal_up_deg<20": float((normals > np.cos(np.radians(20))).mean()),
        "share_points_normal_level_deg>70": float((normals < np.cos(np.radians(70))).mean()),
    }


def _mesh(scan: Scan, plan: float) -> dict[str, float]:
    if scan.faces is None:
        return {}
    pairs = np.sort(np.concatenate([scan.faces[:, [0, 1]], scan.faces[:, [1, 2]], scan.faces[:, [2, 0]]]), axis=1)
    n = len(scan)
    edges, uses = np.unique(pairs[:, 0].astype(np.int64) * n + pairs[:, 1], return_counts=True)
    a, b = edges // n, edges % n
    pieces = np.bincount(connected_components(coo_matrix((np.ones(len(a)), (a, b)), (n, n)), directed=False)[1])
    border = np.linalg.norm(scan.points[a[uses == 1]] - scan.points[b[uses == 1]], axis=1).sum()
    return {
        "mesh_pieces_over_100_vertices": float((pieces > 100).sum()),
        "largest_piece_share": float(pieces.max() / n),
        "boundary_length_m_per_m2_plan": float(border / plan),
    }


def _plane(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return normal and RMS distance in mm of the plane through points."""
    values, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
    return vectors[:, 0], 1000 * float(np.sqrt(max(values[0], 0.0)))


def _shape(points: np.ndarray, scan: Scan) -> dict[str, float]:
    rng = np.random.RandomState(0)
    found: dict[str, float] = {}
    every = KDTree(points)
    middle = points[rng.permutation(len(points))[:SAMPLES]]
    for radius in (0.05, 0.1):
        rms = [_plane(points[i])[1] for i in every.query_ball_point(middle, radius) if len(i) >= 6]
        found[f"roughness_rms_mm/all/{round(100 * radius)}cm/p50"] = float(np.median(rms))
    for name, nyu in (("wall", WALL), ("floor", FLOOR)):
        own = points[scan.labels["nyu40"] == nyu]
        if len(own) < 1000:
            continue
        tree, middle = KDTree(own), own[rng.permutation(len(own))[:SAMPLES]]
        rms = [_plane(own[i])[1] for i in tree.query_ball_point(middle[:500], 0.3) if len(i) >= 20]
        found[f"roughness_30cm_rms_mm/{name}/p50"] = float(np.median(rms))
        found[f"roughness_30cm_rms_mm/{name}/p75"] = float(np.percentile(rms, 75))
        patches = [(m, _plane(own[i])[0]) for m, i in zip(middle, tree.query_ball_point(middle, 0.1)) if len(i) >= 20]
        where, normals = (np.array(x) for x in zip(*patches))
        a, b = np.array(sorted(KDTree(where).query_pairs(0.3))).T
        apart = np.linalg.norm(where[a] - where[b], axis=1) > 0.2
        cosine = np.abs(np.einsum("ij,ij->i", normals[a[apart]], normals[b[apart]])).clip(max=1)
        angle = np.degrees(np.arccos(cosine))
        found[f"normal_10cm_patch_angle_at_20_30cm_deg/{name}/p50"] = float(np.median(angle))
    return found


def _objects(points: np.ndarray, scan: Scan) -> dict[str, float]:
    found: dict[str, float] = {}
    instance, nyu40 = scan.labels["instance"], scan.labels["nyu40"]
    ids, first = np.unique(instance, return_index=True)
    thing = (ids >= 0) & ~np.isin(nyu40[first], [0, WALL, FLOOR, 22])
    found["things_per_m2_plan"] = float(thing.sum() / _plan(points))
    for name, nyu in (("wall", WALL), ("chair", CHAIR), ("table", TABLE), ("door", DOOR)):
        own = [points[instance == i] for i in ids[(ids >= 0) & (nyu40[first] == nyu)]]
        own = [p for p in own if len(p) >= 50]
        if own:
            found[f"completeness/{name}"] = float(np.median([_completeness(p) for p in own]))
        if own and name == "chair":
            found["lowest_m/chair"] = float(np.median([p[:, 2].min() for p in own]))
    return found


def _completeness(points: np.ndarray) -> float:
    """Return the area of the 4 cm voxels (16 cm² each) over that of the smallest upright box."""
    best = np.inf
    for angle in np.radians(np.arange(0, 90, 5)):
        c, s = np.cos(angle), np.sin(angle)
        w, d = np.ptp(points[:, :2] @ np.array([[c, -s], [s, c]]), axis=0)
        h = float(np.ptp(points[:, 2]))
        best = min(best, 2 * (w * d + w * h + d * h))
    return len(_cells(points, 0.04)) * 0.04**2 / best


def _colors(points: np.ndarray, scan: Scan) -> dict[str, float]:
    rgb = scan.colors.astype(np.float64)
    luminance = rgb @ LUMINANCE
    high = rgb.max(axis=1)
    saturation = (high - rgb.min(axis=1)) / np.maximum(high, 1)
    found = {f"colour/luminance/p{p:02}": float(np.percentile(luminance, p)) for p in (5, 25, 50, 75, 95)}
    found |= {f"colour/saturation/p{p:02}": float(np.percentile(saturation, p)) for p in (50, 75)}
    found["colour/mean_red_minus_blue"] = float((rgb[:, 0] - rgb[:, 2]).mean())
    rng = np.random.RandomState(0)
    tree, nyu40 = KDTree(points), scan.labels["nyu40"]
    for name, rows in (("all", np.arange(len(points))), ("wall", np.flatnonzero(nyu40 == WALL)),
                       ("floor", np.flatnonzero(nyu40 == FLOOR))):  # fmt: skip
        if not len(rows):
            continue
        chosen = rows[rng.permutation(len(rows))[:SAMPLES]]
        spread = [luminance[i].std() for i in tree.query_ball_point(points[chosen], 0.1)]
        found[f"local_colour_std_10cm/{name}/luminance/p50"] = float(np.median(spread))
        step = np.abs(luminance[tree.query(points[chosen], k=2)[1][:, 1]] - luminance[chosen])
        found[f"local_colour_std_10cm/{name}/abs_luminance_step_to_neighbour/p50"] = float(np.median(step))
        if name != "all":
            cells, index = np.unique(np.floor(points[rows] / 0.5).astype(np.int64), axis=0, return_inverse=True)
            count = np.bincount(index.ravel(), minlength=len(cells))
            means = np.bincount(index.ravel(), luminance[rows], len(cells)) / count
            found[f"colour/{name}_50cm_cells/luminance_std"] = float(means[count >= 20].std())
    return found


def _superpoints(scan: Scan, plan: float) -> dict[str, float]:
    """Superpoints of the bare points: those of the mesh agree with the labels by construction."""
    segments, instance = superpoints_of(replace(scan, faces=None, superpoints=None)), scan.labels["instance"]
    ids = np.unique(instance, return_inverse=True)[1].astype(np.int64)
    base = int(ids.max()) + 1
    pairs, counts = np.unique(segments.astype(np.int64) * base + ids, return_counts=True)
    largest = np.zeros(int(segments.max()) + 1, np.int64)
    np.maximum.at(largest, pairs // base, counts)
    return {
        "superpoints/per_m2_plan": len(largest) / plan,
        "superpoints/purity_instances": float(largest.sum() / len(segments)),
    }


def room_scan(mesh: RoomMesh, capture: Capture) -> Scan:
    """Return a scanned room as a labelled scan in the room's own axes."""
    table = packaged_label_table()
    nyu40 = np.array([table.rows[body.label].nyu40id for body in mesh.bodies], np.uint8)
    c, s = np.cos(mesh.alignment), np.sin(mesh.alignment)
    return Scan(
        points=(capture.vertices @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T).astype(np.float32),
        colors=capture.colors[:, :3],
        faces=capture.faces,
        labels={"nyu40": nyu40[capture.objects], "instance": capture.objects},
        name=mesh.room.id,
    )


def rooms(sensor: str, count: int, seed: int = 0, version: int = 2) -> Iterable[Scan]:
    """Make rooms of the kinds that the real scans show, in turn, and scan them."""
    for index in range(count):
        mesh = make_room("test", index, seed, version, KINDS[index % len(KINDS)])
        yield room_scan(mesh, scan_room(mesh, sensor))


def prepared(data: Path, split: str, count: int) -> Iterable[Scan]:
    """Load scenes of a prepared folder."""
    for name in (data / "splits" / f"{split}.txt").read_text(encoding="utf-8").split()[:count]:
        yield load_scene(data / "scenes" / f"{name}.safetensors")


def median(scans: Iterable[Scan]) -> dict[str, float]:
    """Return the median of each statistic over the scans that have it."""
    found = [scan_statistics(scan) for scan in scans]
    return {name: float(np.median([f[name] for f in found if name in f])) for name in {n: 0 for f in found for n in f}}


def table(made: dict[str, float], real: dict[str, tuple[float, float, float]]) -> tuple[str, float]:
    """Return the statistics beside the real ones as a Markdown table, and the share of them within the real range."""
    lines = ["| statistic | real | least | largest | here | ratio | in range |", "|---" * 7 + "|"]
    inside = []
    for name, (middle, least, largest) in real.items():
        if name not in made:
            continue
        value = made[name]
        inside.append(least <= value <= largest)
        ratio = f"{value / middle:.2f}" if middle else "–"
        lines.append(
            f"| {name} | {middle:.3g} | {least:.3g} | {largest:.3g} | {value:.3g} | {ratio} "
            f"| {'yes' if inside[-1] else 'no'} |"
        )
    return "\n".join(lines), float(np.mean(inside))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table per sensor, or one of prepared scenes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_statistics", description=__doc__)
    parser.add_argument("--sensor", nargs="+", default=["ideal", "handheld", "rgbd"])
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--version", type=int, default=2, help="of the rooms")
    parser.add_argument("--data", type=Path, help="prepared folder to look at instead of new rooms")
    parser.add_argument("--split", default="val")
    options = parser.parse_args(arguments)
    sources = (
        {str(options.data): prepared(options.data, options.split, options.rooms)}
        if options.data
        else {sensor: rooms(sensor, options.rooms, options.seed, options.version) for sensor in options.sensor}
    )
    for name, scans in sources.items():
        text, share = table(median(scans), real_scans())
        print(f"### {name}: {100 * share:.0f} % of the statistics within the range of real scans\n\n{text}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
