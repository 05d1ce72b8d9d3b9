"""A raw ScanNet scan folder: mesh, segments, annotated groups, axis alignment.

Layout and rules: docs/systems/less.md §2.1, §2.2, docs/systems/bqnet.md §2.1, §2.2 and docs/systems/lground.md §2.1.
Object ids are ScanNet's `objectId`; LESS stores objectId + 1, which `less_instance_ids` gives.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.io.cloud import Cloud
from saymask.labels.tables import LABEL_TABLE, LabelTable, packaged_label_table, read_label_table
from saymask.scan import MIN_POINTS, Scan, Source
from saymask.util.files import read_json

MESH = "_vh_clean_2.ply"
LABELS = "_vh_clean_2.labels.ply"
SEGMENTS = "_vh_clean_2.0.010000.segs.json"
AGGREGATION = ".aggregation.json"
LARGEST_METRES = 1000.0
"""A scan that spans more is not an indoor scan in metres."""


@dataclass(frozen=True)
class ScanFiles:
    """The files of a scan; only the mesh must be there."""

    name: str
    mesh: Path
    segments: Path | None
    aggregation: Path | None
    labels: Path | None
    meta: Path | None

    def existing(self) -> list[Path]:
        """Return the files that are there."""
        files = (self.mesh, self.segments, self.aggregation, self.labels, self.meta)
        return [path for path in files if path is not None]

    def missing(self) -> list[str]:
        """Return the names of files that would be used but are not there."""
        absent = []
        if self.segments is None:
            absent.append(self.name + SEGMENTS)
        if self.aggregation is None:
            absent.append(self.name + AGGREGATION)
        if self.meta is None:
            absent.append(f"{self.name}.txt")
        return absent


@dataclass(frozen=True)
class Group:
    """An annotated object: the segments it is made of."""

    object_id: int
    label: str
    """Raw category."""
    segments: tuple[int, ...]


@dataclass(frozen=True)
class RawScan:
    """A scan and the names of its objects."""

    scan: Scan
    objects: dict[int, str]
    """objectId → raw category."""
    aliases: dict[int, int]
    """objectId of a doubled group → id of the group that is kept."""
    unknown_labels: tuple[str, ...]
    """Raw categories that the label table does not know; their points have no class."""


def is_scan_folder(folder: str | Path) -> bool:
    """Say whether a folder holds a ScanNet mesh."""
    folder = Path(folder)
    return folder.is_dir() and any(folder.glob(f"[!.]*{MESH}"))


def find_scan_files(folder: str | Path) -> ScanFiles:
    """Return the files of a scan folder; InputError when the mesh is missing."""
    folder = Path(folder)
    mesh = folder / f"{folder.name}{MESH}"
    if not mesh.is_file():
        meshes = sorted(folder.glob(f"[!.]*{MESH}")) if folder.is_dir() else []
        if len(meshes) != 1:
            raise InputError(
                f"{folder}: expected a ScanNet scan folder with {mesh.name}, got {len(meshes)} such meshes"
            )
        mesh = meshes[0]
    return scan_files(folder, mesh.name.removesuffix(MESH))


def scan_files(folder: Path, name: str) -> ScanFiles:
    """Return the files of the scan `name` in a folder, which may hold other scans, too; the mesh is not looked for."""

    def optional(suffix: str) -> Path | None:
        path = folder / f"{name}{suffix}"
        return path if path.is_file() else None

    mesh = folder / f"{name}{MESH}"
    return ScanFiles(name, mesh, optional(SEGMENTS), optional(AGGREGATION), optional(LABELS), optional(".txt"))


def read_scan_folder(folder: str | Path, *, table: LabelTable | None = None) -> RawScan:
    """Read the scan of a folder; see `read_scan_files`.

    `table` maps raw categories to classes (default: the TSV found in one of the folders above, else the packaged
    class lists).
    """
    files = find_scan_files(folder)
    return read_scan_files(files, table or label_table_near(files.mesh.parent))


def read_scan_files(files: ScanFiles, table: LabelTable) -> RawScan:
    """Read a raw ScanNet scan; every vertex is kept in file order, the axis alignment is not applied.

    Superpoints are the segments of `segs.json`; without an aggregation the classes are those of `labels.ply`. Raises
    InputError that names the scan when a file is broken or segments and vertices differ in number.
    """
    from saymask.io.ply import read_ply

    cloud = read_ply(files.mesh)
    scan = mesh_scan(cloud, files.name, files.mesh.name)
    n = len(scan)
    labels: dict[str, np.ndarray] = {}
    objects: dict[int, str] = {}
    aliases: dict[int, int] = {}
    unknown: tuple[str, ...] = ()
    superpoints = None
    if files.segments is not None:
        segments = read_segments(files.segments)
        if len(segments) != n:
            raise InputError(
                f"scan {files.name}: expected one segment per point ({n:,}), got {len(segments):,} in "
                f"{files.segments.name}; both files must come from the same scan"
            )
        superpoints = np.unique(segments, return_inverse=True)[1].astype(np.int32)
        if files.aggregation is not None:
            groups, aliases = drop_doubled(read_groups(files.aggregation))
            labels, unknown = label_points(segments, groups, table)
            objects = {g.object_id: g.label for g in groups}
    if not labels and files.labels is not None:
        nyu40 = read_label_mesh(files, n)
        labels = {"nyu40": nyu40, "semantic20": table.semantic20(nyu40)}
    scan = replace(
        scan,
        superpoints=superpoints,
        labels=labels,
        alignment=read_alignment(files.meta) if files.meta is not None else None,
        source=Source(str(files.mesh), "scannet", n, np.arange(n), cloud.columns, faces=cloud.faces, extra=cloud.extra),
    )
    return RawScan(scan, objects, aliases, unknown)


def read_scannet_scan(folder: str | Path) -> Scan:
    """Return the scan of a raw ScanNet folder, as `load_scan` gives it (see `read_scan_folder`)."""
    raw = read_scan_folder(folder)
    check_extent(raw.scan)
    messages = []
    if not raw.scan.has_color:
        messages.append("no colours in the file: every point is grey (128)")
    if raw.unknown_labels:
        messages.append(f"raw categories that the label table does not know: {', '.join(raw.unknown_labels)}")
    return replace(raw.scan, messages=tuple(messages))


def check_extent(scan: Scan) -> None:
    """Raise InputError for a scan that cannot be an indoor scan in metres."""
    if len(scan) < MIN_POINTS:
        raise InputError(f"scan {scan.name}: expected at least {MIN_POINTS} points, got {len(scan)}")
    span = float(np.ptp(scan.points, axis=0).max())
    if span > LARGEST_METRES:
        raise InputError(f"scan {scan.name}: spans {span:,.0f} m; expected metres, is the mesh in millimetres?")


def mesh_scan(cloud: Cloud, name: str, file: str) -> Scan:
    """Return the scan `name` of a mesh whose vertices may have colours, without labels.

    Raises InputError, which names the `file`, for one without points or with some that are not finite.
    """
    points = cloud.points.astype(np.float32)
    if not len(points):
        raise InputError(f"scan {name}: expected points in {file}, got none")
    bad = int((~finite_rows(points)).sum())
    if bad:
        raise InputError(
            f"scan {name}: expected finite coordinates in {file}, {bad:,} vertices are not; download the file again"
        )
    colors = np.full((len(points), 3), 128, np.uint8) if cloud.colors is None else cloud.colors
    return Scan(points, colors, faces=cloud.faces, has_color=cloud.colors is not None, name=name)


def label_table_near(folder: Path) -> LabelTable:
    """Return the label table of the folder or of one of the two above it, else the packaged one."""
    for candidate in (folder, folder.parent, folder.parent.parent):
        if (candidate / LABEL_TABLE).is_file():
            return read_label_table(candidate / LABEL_TABLE)
    return packaged_label_table()


def read_segments(path: Path) -> np.ndarray:
    """Return the segment id of every vertex, int64 [N]."""
    content = read_json(path)
    values = content.get("segIndices") if isinstance(content, dict) else None
    try:
        segments = np.asarray(values, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        segments = np.zeros((0, 0), np.int64)
    if values is None or segments.ndim != 1:
        raise InputError(f"{path}: expected an object with a list segIndices of whole numbers")
    return segments


def read_groups(path: Path) -> list[Group]:
    """Return the annotated groups in file order; the id of a group is its `objectId` (`id` where that is missing)."""
    content = read_json(path)
    entries = content.get("segGroups") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected an object with a list segGroups")
    return [_group(entry, path, number) for number, entry in enumerate(entries)]


def _group(entry: Any, path: Path, number: int) -> Group:
    try:
        object_id = entry["objectId"] if "objectId" in entry else entry["id"]
        group = Group(int(object_id), str(entry["label"]), tuple(int(s) for s in entry["segments"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: group {number}: expected objectId, label and a list of segments") from None
    if not -1 < group.object_id < 2**31 - 1 or not all(-(2**63) <= s < 2**63 for s in group.segments):
        raise InputError(f"{path}: group {number}: expected an objectId from 0 and segments, got {object_id!r:.40}")
    return group


def drop_doubled(groups: list[Group]) -> tuple[list[Group], dict[int, int]]:
    """Return the groups without a repeated second half, and dropped id → kept id.

    ScanNet's scene0217_00 lists all its groups twice. Read as it is, the second copy would own every point and the
    first copy's objects would be empty; keeping the first half and naming the second by it serves sentences about
    either (docs/systems/less.md §B.5, §B.7).
    """
    half = len(groups) // 2
    first, second = groups[:half], groups[half:]
    if not half or len(groups) % 2:
        return groups, {}
    if any(a.label != b.label or sorted(a.segments) != sorted(b.segments) for a, b in zip(first, second)):
        return groups, {}
    aliases = {b.object_id: a.object_id for a, b in zip(first, second) if a.object_id != b.object_id}
    kept = {a.object_id for a in first}
    return first, {dropped: owner for dropped, owner in aliases.items() if dropped not in kept}


def label_points(
    segments: np.ndarray,  # int64 [N]
    groups: list[Group],
    table: LabelTable,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the labels of a Scan and the raw categories that the table does not know.

    A segment in several groups belongs to the last one, for the instance and for the class (docs/systems/less.md §2.2,
    step 3 and docs/systems/lground.md §2.1).
    """
    owner = group_of_points(segments, groups)
    rows = [table.rows.get(g.label) for g in groups]
    unknown = tuple(sorted({g.label for g, row in zip(groups, rows) if row is None}))
    # Row -1 of these tables (the last) is "no group".
    instance = np.array([*(g.object_id for g in groups), -1], np.int32)[owner]
    labels = {**table.point_labels(rows, owner), "instance": instance}
    return labels, unknown


def group_of_points(segments: np.ndarray, groups: list[Group]) -> np.ndarray:
    """Return the position in `groups` of every point's last group, int64 [N], -1 where it has none."""
    ids, row = np.unique(segments, return_inverse=True)
    owner = np.full(len(ids), -1, np.int64)
    for number, group in enumerate(groups):
        wanted = np.asarray(group.segments, np.int64)
        at = np.searchsorted(ids, wanted).clip(max=max(len(ids) - 1, 0))
        owner[at[ids[at] == wanted]] = number
    return owner[row]


def less_instance_ids(segments: np.ndarray, groups: list[Group]) -> np.ndarray:
    """Return LESS' instance labels: objectId + 1, 0 = not annotated, uint32 [N] (docs/systems/less.md §2.2, step 3)."""
    owner = group_of_points(segments, groups)
    return np.array([*(g.object_id + 1 for g in groups), 0], np.uint32)[owner]


def less_semantic_ids(segments: np.ndarray, groups: list[Group], table: LabelTable) -> np.ndarray:
    """Return LESS' semantic labels: nyu40 ids, 0 = not annotated, uint32 [N] (docs/systems/less.md §2.2, step 4).

    They are written label by label in the order in which the labels appear, so a segment in several groups gets the
    label that appeared last (not the last group's). Raises InputError for a label that the table does not know.
    """
    merged: dict[str, Group] = {}
    for group in groups:
        known = merged.get(group.label)
        merged[group.label] = group if known is None else replace(known, segments=known.segments + group.segments)
    unknown = [label for label in merged if label not in table.rows]
    if unknown:
        raise InputError(f"label table {table.source}: expected a row for every raw category, got none for {unknown}")
    owner = group_of_points(segments, list(merged.values()))
    return np.array([*(table.rows[label].nyu40id for label in merged), 0], np.uint32)[owner]


def less_object_classes(segments: np.ndarray, groups: list[Group], semantic: np.ndarray) -> dict[int, int]:
    """Return objectId → class as LESS does: the label (of `semantic` [N]) at the first point of the first segment.

    When that segment belongs to a later group, the object carries that group's class; golden case `preproc`.
    """
    ids, first = np.unique(segments, return_index=True)
    at = dict(zip(ids.tolist(), first.tolist()))
    classes: dict[int, int] = {}
    for group in groups:
        rows = [at[s] for s in group.segments if s in at]
        if rows:
            classes.setdefault(group.object_id, int(semantic[rows[0]]))
    return classes


def instance_boxes(points: np.ndarray, instance: np.ndarray, classes: dict[int, int]) -> np.ndarray:
    """Return float64 [M, 8]: centre, size (axis-aligned extent), class, objectId, ascending by objectId.

    `instance` [N] holds -1 where there is none; `classes` gives the class of every objectId.
    """
    boxes = []
    for object_id in np.unique(instance[instance >= 0]).tolist():
        inside = points[instance == object_id]
        low, high = inside.min(axis=0), inside.max(axis=0)
        boxes.append([*((low + high) / 2), *(high - low), classes[object_id], object_id])
    return np.array(boxes, dtype=np.float64).reshape(-1, 8)


def read_alignment(path: Path) -> np.ndarray | None:
    """Return the axis alignment of a scan's `.txt`, float64 [4, 4]; None when the file has no such line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not; convert the file to UTF-8") from None
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() != "axisAlignment":
            continue
        return _matrix(value, path)
    return None


def _matrix(text: str, path: Path) -> np.ndarray:
    try:
        values = np.array([float(v) for v in text.split()])
    except ValueError:
        values = np.zeros(0)
    if len(values) != 16 or not np.isfinite(values).all():
        raise InputError(f"{path}: expected 16 numbers after axisAlignment, got {text.strip()!r:.60}")
    return values.reshape(4, 4)


def read_label_mesh(files: ScanFiles, n: int) -> np.ndarray:
    """Return the nyu40 ids uint8 [n] of `labels.ply`, 0 = none."""
    from saymask.io.ply import read_ply

    assert files.labels is not None
    columns = read_ply(files.labels).columns
    if "label" not in columns:
        raise InputError(f"scan {files.name}: expected a vertex column label in {files.labels.name}")
    nyu40 = columns["label"].astype(np.int64)
    if len(nyu40) != n:
        raise InputError(
            f"scan {files.name}: expected one label per point ({n:,}), got {len(nyu40):,} in {files.labels.name}"
        )
    return np.where((nyu40 < 0) | (nyu40 > 40), 0, nyu40).astype(np.uint8)
