"""Furnished worlds made by others, as labelled scans: their surfaces sampled evenly, or what a hand-held camera saw.

A world is NAME.npz (vertices, faces, colors, instance, visible) with NAME.json (what each instance is) and, where there
are any, NAME.sentences.json. Worlds are surfaces whose density says nothing (a door of 161,000 vertices), so points are
drawn by area and thinned to one in 2.2 cm. `surface` is all that is visible from somewhere; `handheld` what camera
poses on a walk saw of it, with smooth bumps and uneven light; `rgbd` the vertices of the surface that the sensor `rgbd`
of Rooms fuses from its frames.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation, still_true
from saymask.errors import InputError
from saymask.geometry.sampling import spread_over_triangles
from saymask.geometry.smooth_noise import smooth_noise
from saymask.geometry.visibility import Handheld, handheld_views, seen
from saymask.geometry.voxelize import unique_cells
from saymask.labels.tables import packaged_label_table, scannet200
from saymask.rooms.sensor.rgbd import recorded
from saymask.rooms.sensor.surface import SHINY, surface
from saymask.scan import Scan

VIEWS = ("surface", "handheld", "rgbd")
SPACING = 0.022
"""Metres between points."""
DENSER = 3.0
"""Points that are drawn for each that is kept."""
POSES_PER_M2 = 1.0
POSES = (20, 150)
"""Fewest and most poses of a walk."""
WALK = Handheld(middle=0.8, eye=(1.2, 1.7), pitch=(-28.0, -22.0), wobble=12.0, reach=(3.5, 3.5), clearance=0.3)
FRAMES_PER_M2, FRAMES = 4.5, (60, 250)
"""Frames of a recording; an eighth as many places."""
BUMP, BUMP_SPACING = 0.004, 0.12
"""Deviation of the bumps and the distance over which they are correlated, metres."""
UNEVEN, UNEVEN_SPACING = 10.0, 0.25
"""Deviation of the light in 0..255, and metres over which it varies."""


@dataclass(frozen=True, eq=False)
class World:
    """One view of one world."""

    scan: Scan  # with labels semantic20, semantic200, nyu40, instance
    single: tuple[Annotation, ...]  # sentences about exactly one object
    any_number: tuple[Annotation, ...]  # all of them, with Multi3DRefer's groups
    optional: dict[str, tuple[int, ...]]  # sentence -> objects that an answer may include (a blanket on a bed)
    objects: dict[int, str]  # instance -> what it is


def world_names(folder: Path) -> list[str]:
    """Return the names of the worlds in a folder, sorted; InputError when there is none."""
    names = sorted(path.stem for path in folder.glob("*.npz") if path.with_suffix(".json").is_file())
    if not names:
        raise InputError(f"{folder}: expected worlds (NAME.npz with NAME.json), found none; check --worlds")
    return names


def load_world(folder: Path, name: str, view: str, seed: int = 0) -> World:
    """Return a view of a world; the same seed gives the same points and poses. InputError for an unknown view."""
    if view not in VIEWS:
        raise InputError(f"view: expected one of {', '.join(VIEWS)}, got {view!r}")
    things: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["instances"]
    objects = {int(i): str(thing["label"]) for i, thing in things.items()}
    nyu40 = {int(i): int(thing["nyu40"]) for i, thing in things.items()}
    with np.load(folder / f"{name}.npz") as file:
        points, colors, instance = sampled(
            file["vertices"], file["faces"], file["colors"], file["instance"].astype(np.int32), file["visible"], seed
        )
    whole = _labelled(f"{name}-{view}", points, colors, instance, nyu40, objects)
    single, any_number, optional = _sentences(folder / f"{name}.sentences.json", whole, objects)
    if view == "rgbd":
        with np.load(folder / f"{name}.npz") as file:
            mesh = file["vertices"], file["faces"], file["colors"], file["instance"].astype(np.int32)
        points, colors, instance = rgbd(*mesh, whole, objects, seed)
        scan = _labelled(whole.name, points, colors, instance, nyu40, objects)
    else:
        scan = whole if view == "surface" else handheld(whole, seed)
    kept = {a.key for a in still_true(any_number, whole, scan, switches=Degradation())}
    return World(
        scan, tuple(a for a in single if a.key in kept), tuple(a for a in any_number if a.key in kept), optional,
        {i: objects[i] for i in np.unique(scan.labels["instance"]).tolist() if i >= 0},
    )  # fmt: skip


def sampled(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray, instance: np.ndarray, visible: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points float32 [N, 3], colours uint8 [N, 3] and instances int32 [N] of the visible surface, by area."""
    rng = np.random.RandomState(seed)
    faces = faces[visible[faces].all(axis=1)]
    corners = vertices[faces].astype(np.float64)  # [F, 3, 3]
    chosen, weights = spread_over_triangles(corners, DENSER / SPACING**2, rng)
    points = (corners[chosen] * weights).sum(axis=1)
    paint = (colors[faces[chosen]].astype(np.float64) * weights).sum(axis=1)
    first = np.sort(unique_cells(np.floor((points - points.min(axis=0)) / SPACING).astype(np.int64))[2])
    return (
        points[first].astype(np.float32),
        np.clip(np.round(paint[first]), 0, 255).astype(np.uint8),
        instance[faces[chosen[first], 0]],
    )


def handheld(scan: Scan, seed: int) -> Scan:
    """Return what a person who walks through the world scans of it."""
    rng = np.random.RandomState([seed, 1])
    poses = int(np.clip(POSES_PER_M2 * _plan(scan), *POSES))
    habits = replace(WALK, views=(poses, poses))
    keep = seen(scan.points, handheld_views(scan.points, rng, habits))
    points = scan.points[keep]
    light = scan.colors[keep] + UNEVEN * smooth_noise(points, UNEVEN_SPACING, 1, rng)
    return Scan(
        points=points + np.float32(BUMP) * smooth_noise(points, BUMP_SPACING, 3, rng),
        colors=np.clip(np.round(light), 0, 255).astype(np.uint8),
        labels={name: values[keep] for name, values in scan.labels.items()},
        name=scan.name,
    )


def rgbd(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray, instance: np.ndarray, whole: Scan,
    objects: dict[int, str], seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return points float32 [N, 3], colours uint8 [N, 3] and instances int32 [N] that a recording of the world shows.

    Triangles are some centimetres long; instances are 0 or more.
    """
    rng = np.random.RandomState([seed, 2])
    frames = int(np.clip(FRAMES_PER_M2 * _plan(whole), *FRAMES))
    habits = replace(WALK, views=(frames // 8, frames // 8))
    eyes = handheld_views(whole.points, rng, habits).eyes.astype(np.float64)
    labels = [objects.get(i, "") for i in range(int(instance.max()) + 1)]
    shiny = np.array([label in SHINY for label in labels] + [False])
    shell = ("wall", "floor", "ceiling")
    things = np.array([i for i, label in objects.items() if label not in shell])
    seen_by = surface(vertices, colors, faces, instance, labels, shiny, rng)
    capture = recorded(seen_by, eyes, seen_by.things(things), frames, rng)
    return capture.vertices, capture.colors[:, :3], capture.objects


def _plan(scan: Scan) -> float:
    """Return the area of the plan, square metres."""
    return len(np.unique(np.floor(scan.points[:, :2] / 0.25).astype(np.int64), axis=0)) * 0.25**2


def _labelled(
    name: str, points: np.ndarray, colors: np.ndarray, instance: np.ndarray, nyu40: dict[int, int],
    objects: dict[int, str],
) -> Scan:  # fmt: skip
    index200 = {c.name: c.index for c in scannet200()}
    ids = np.unique(instance)
    place = np.searchsorted(ids, instance)
    nyu = np.array([nyu40.get(int(i), 0) for i in ids], np.uint8)[place]
    labels = {
        "nyu40": nyu,
        "semantic20": packaged_label_table().semantic20(nyu).astype(np.int16),
        "semantic200": np.array([index200.get(objects.get(int(i), ""), -1) for i in ids], np.int16)[place],
        "instance": np.where(np.isin(instance, list(objects)), instance, -1).astype(np.int32),
    }
    return Scan(points=points, colors=colors, labels=labels, name=name)


def _sentences(
    path: Path, scan: Scan, objects: dict[int, str]
) -> tuple[list[Annotation], list[Annotation], dict[str, tuple[int, ...]]]:
    """Return the sentences about one object, all sentences with their group, and what answers may include."""
    single, any_number, optional = list[Annotation](), list[Annotation](), dict[str, tuple[int, ...]]()
    entries = json.loads(path.read_text(encoding="utf-8"))["sentences"] if path.is_file() else []
    there = list(objects.values())
    for number, entry in enumerate(entries):
        text, meant = str(entry["sentence"]), tuple(int(i) for i in entry["instances"])
        optional[text] = tuple(int(i) for i in entry.get("may_be_included", ()))
        name = objects[meant[0]] if meant else ""
        alike = there.count(name) > len(meant) if meant else False
        group = "mt" if len(meant) > 1 else f"{'st' if meant else 'zt'}_{'w' if alike else 'wo'}_d"
        annotation = Annotation(
            scan.name, meant, number, text, text, object_name=name.replace(" ", "_"), eval_type=group,
            multiple=alike if len(meant) == 1 else None,
        )  # fmt: skip
        any_number.append(annotation)
        if len(meant) == 1:
            single.append(annotation)
    return single, any_number, optional
