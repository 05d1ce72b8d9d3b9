"""Replica: `<scan>/habitat/mesh_semantic.ply`, whose faces have an `object_id`, and `info_semantic.json`.

There is no published split; without lists of the user's every scan belongs to `val`.

Source: Straub et al., The Replica Dataset, arXiv 1906.05797, and the dataset's README.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.categories import labels_of_objects
from saymask.data.prepare.layouts.source import Found, ScanSource
from saymask.errors import InputError
from saymask.io.ply import read_ply
from saymask.io.scannet import RawScan, mesh_scan
from saymask.labels.tables import LabelTable
from saymask.util.files import read_json


def find(base: Path) -> Found:
    """Return the scans of `base` with a mesh and the list of its objects."""
    found = Found()
    for path in sorted(base.glob("*/habitat/mesh_semantic.ply")):
        name, info = path.parent.parent.name, path.parent / "info_semantic.json"
        if info.is_file():
            found.scans[name] = ScanSource(name, "replica", (path, info))
        else:
            found.incomplete.append(name)
    if found.scans:
        found.splits["val"] = tuple(found.scans)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; a vertex belongs to the object of the last of its faces."""
    mesh, info = source.files
    cloud, objects = read_ply(mesh), _objects(info)
    scan = mesh_scan(cloud, source.name, mesh.name)
    faces = next((t for t in cloud.extra["elements"] if "object_id" in t.plain), None)
    if faces is None:
        raise InputError(f"{mesh}: expected faces with an object_id; take habitat/mesh_semantic.ply")
    counts, corners = next(iter(faces.lists.values()))
    instance = np.full(len(scan), -1, np.int64)
    instance[corners] = np.repeat(faces.plain["object_id"].astype(np.int64), counts)
    ids = np.array(sorted(objects), np.int64)
    owner = np.searchsorted(ids, instance).clip(max=max(len(ids) - 1, 0))
    owner = np.where(ids[owner] == instance, owner, -1)
    labels, unknown = labels_of_objects([objects[i] for i in ids.tolist()], owner, "replica", table)
    labels["instance"] = np.append(ids, -1).astype(np.int32)[owner]
    return RawScan(replace(scan, labels=labels), objects, {}, unknown)


def _objects(path: Path) -> dict[int, str]:
    """Return object id → category."""
    content = read_json(path)
    entries = content.get("objects") if isinstance(content, Mapping) else None
    try:
        objects = {int(entry["id"]): str(entry["class_name"]) for entry in entries or ()}
    except (KeyError, TypeError, ValueError):
        objects = {}
    if not objects or min(objects) < 0:
        raise InputError(f"{path}: expected an object with a list objects, each with an id and a class_name")
    return objects
