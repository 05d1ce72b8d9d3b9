"""Raw folders in ScanNet's layout: a search for scans, label table, splits, sentences and rooms."""

from dataclasses import dataclass, field
from pathlib import Path

from saymask.data.annotations import SOURCES
from saymask.errors import InputError
from saymask.io.scannet import AGGREGATION, LABELS, MESH, SEGMENTS, is_scan_folder
from saymask.labels.tables import LABEL_TABLE, packaged_split

NOT_NEEDED = {
    ".sens": "sensor streams",
    "_vh_clean.ply": "high-resolution meshes",
    "_vh_clean.segs.json": "segments of the high-resolution meshes",
    "_vh_clean.aggregation.json": "groups of the high-resolution meshes",
    "_2d-label.zip": "2D labels",
    "_2d-label-filt.zip": "2D labels",
    "_2d-instance.zip": "2D instances",
    "_2d-instance-filt.zip": "2D instances",
}
"""Ends of the names of ScanNet's files that are never read."""


@dataclass
class RawFolder:
    """The parts of a raw folder that were found."""

    root: Path
    scans: dict[str, Path] = field(default_factory=dict)
    without_mesh: list[str] = field(default_factory=list)
    """Scan folders that have no mesh."""
    table: Path | None = None
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    packaged_splits: bool = False
    annotations: dict[tuple[str, str], Path] = field(default_factory=dict)
    """(source, split) → file."""
    programs: dict[str, Path] = field(default_factory=dict)
    """split → file of Rooms."""
    rooms: Path | None = None
    """Folder of Rooms with one description per scan."""


def find_raw(root: str | Path) -> RawFolder:
    """Look through a raw folder; InputError when it holds no scan."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder in ScanNet's layout, there is no such folder")
    raw = RawFolder(root)
    if is_scan_folder(root):
        raw.scans[root.name] = root
    for parent in (root / "scans", root / "scans_test", root):
        if parent.is_dir():
            _find_scans(parent, raw, own=parent is not root)
    if not raw.scans:
        raise InputError(
            f"{root}: expected scans as scans/<id>/<id>{MESH} or <id>/<id>{MESH}, found none; "
            "give the folder that contains scans/"
        )
    raw.table = _first(root, LABEL_TABLE, f"scans/{LABEL_TABLE}", f"meta_data/{LABEL_TABLE}")
    _find_splits(raw)
    for split in ("train", "val", "test"):
        for source in SOURCES:
            path = _first(root, *_annotation_names(source, split))
            if path is not None:
                raw.annotations[source, split] = path
        path = _first(root, f"programs_{split}.json")
        if path is not None:
            raw.programs[split] = path
    raw.rooms = root / "rooms" if (root / "rooms").is_dir() else None
    return raw


def _find_scans(parent: Path, raw: RawFolder, *, own: bool) -> None:
    """Add the scan folders in `parent`; where `own` says that it holds nothing else, others are noted."""
    for folder in sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if is_scan_folder(folder):
            raw.scans.setdefault(folder.name, folder)
        elif own and folder.name not in raw.scans:
            raw.without_mesh.append(folder.name)


def _annotation_names(source: str, split: str) -> tuple[str, ...]:
    if source == "scanrefer":
        name = f"ScanRefer_filtered_{split}.json"
        return name, f"ScanRefer/{name}", f"scanrefer/{name}"
    name = f"multi3drefer_{split}.json"
    return name, f"multi3drefer/{name}", f"Multi3DRefer/{name}"


def _find_splits(raw: RawFolder) -> None:
    for split in ("train", "val", "test"):
        names = (f"splits/{split}.txt", f"splits/scannetv2_{split}.txt", f"scannetv2_{split}.txt")
        path = _first(raw.root, *names, f"meta_data/scannetv2_{split}.txt")
        if path is not None:
            try:
                raw.splits[split] = tuple(path.read_text(encoding="utf-8").split())
            except UnicodeDecodeError:
                raise InputError(f"{path}: expected UTF-8 text with one scan id per line") from None
    if not raw.splits:
        raw.packaged_splits = True
        raw.splits = {split: packaged_split(split) for split in ("train", "val", "test")}


def _first(root: Path, *names: str) -> Path | None:
    return next((root / name for name in names if (root / name).is_file()), None)


def describe_missing(raw: RawFolder) -> list[str]:
    """Return one line for everything useful that is not there, and what that means."""
    lines = []
    if raw.table is None:
        lines.append(f"{LABEL_TABLE}: not found, classes come from the packaged lists (rare categories get none)")
    if raw.packaged_splits:
        lines.append("splits/{train,val}.txt: not found, the published ScanNet v2 lists are used")
    else:
        for split, names in raw.splits.items():
            absent = [name for name in names if name not in raw.scans]
            if absent:
                lines.append(f"split {split}: {len(absent):,} of {len(names):,} scans not found: {_some(absent)}")
    for split in ("train", "val"):
        if ("scanrefer", split) not in raw.annotations:
            lines.append(f"ScanRefer_filtered_{split}.json: not found, no single-object sentences for {split}")
        if ("multi3drefer", split) not in raw.annotations:
            lines.append(f"multi3drefer_{split}.json: not found, no multi-object sentences for {split}")
    if raw.without_mesh:
        lines.append(f"{_some(raw.without_mesh)}: no mesh (<id>{MESH}), left out")
    for suffix, meaning in (
        (SEGMENTS, "no object and class labels"),
        (AGGREGATION, f"no object labels (classes come from <id>{LABELS} where that is there)"),
        (".txt", "no axis alignment"),
    ):
        absent = [name for name, folder in raw.scans.items() if not any(folder.glob(f"[!.]*{suffix}"))]
        if absent:
            lines.append(f"<id>{suffix}: not found for {_some(absent)}: {meaning}")
    return lines


def describe_not_needed(raw: RawFolder) -> list[str]:
    """Return one line per kind of file that is there and is never read, with its size."""
    count: dict[str, int] = {}
    size: dict[str, int] = {}
    for folder in raw.scans.values():
        for path in folder.iterdir():
            suffix = next((s for s in NOT_NEEDED if path.name.endswith(s)), None)
            if suffix is not None and path.is_file():
                count[suffix] = count.get(suffix, 0) + 1
                size[suffix] = size.get(suffix, 0) + path.stat().st_size
    return [
        f"<id>{s}: {count[s]:,} files, {size[s] / 1e6:,.0f} MB, not needed ({NOT_NEEDED[s]})" for s in sorted(count)
    ]


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
