"""Raw folders: a search for scans in the known layouts, label table, splits, sentences, pseudo masks and rooms."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import BOTH, read_entries
from saymask.data.prepare import referit3d
from saymask.data.prepare.layouts import uniseg3d_infos
from saymask.data.prepare.layouts.source import LAYOUTS, ScanSource, find_scans
from saymask.errors import InputError
from saymask.io.scannet import AGGREGATION, LABELS, MESH, SEGMENTS
from saymask.labels.tables import LABEL_TABLE, packaged_split

PLACES = ("", "data", "scannet", "scannetv2", "data/scannet", "data/scannetv2")
"""Folders below the one that is named where a published program keeps its data."""
BESIDE = ("scannet", "scannetv2")
"""Folders of scans whose sentences lie in folders beside them."""
SPLITS = ("train", "val", "test")
REFERIT3D = ("", "referit3d/", "ReferIt3D/", "nr3d/", "sr3d/")
"""Folders where its tables may lie."""
FEATURE_DATA = {
    "clip_feats_scannet_200.pkl": "text anchors: --model.anchors, or convert lground --anchors",
    "scannet200_category_weights.pkl": "class weights: --model.class-weights",
    "tail_split_inst_sampling_weights.pkl": "chances of tail objects: --model.sampling-weights",
}
"""File of LGround's `feature_data/` → what it is for."""
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


@dataclass(frozen=True)
class Sentences:
    """The sentences of a split as a file has them."""

    path: Path
    entries: list[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """A line of the table of what is there and what is not."""

    what: str
    found: str
    note: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.what, self.found, self.note)))


@dataclass
class RawFolder:
    """The parts of a raw folder that were found."""

    root: Path
    scans: dict[str, ScanSource] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)
    """Scans without their mesh or superpoints."""
    table: Path | None = None
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    packaged_splits: bool = False
    annotations: dict[tuple[str, str], Sentences] = field(default_factory=dict)
    """(source, split) → its sentences."""
    superpoints: dict[str, Path] = field(default_factory=dict)
    """Scan → file in `super_points/`."""
    pseudo_masks: dict[str, np.ndarray] = field(default_factory=dict)
    """Scan → bool [J, S] over those superpoints."""
    feature_data: list[Path] = field(default_factory=list)
    """Files of LGround that training and conversion take."""
    programs: dict[str, Path] = field(default_factory=dict)
    """split → file of Rooms."""
    rooms: Path | None = None
    """Folder of Rooms with one description per scan."""


def find_raw(root: str | Path) -> RawFolder:
    """Look through a raw folder; InputError when it holds no scan, or a list of it cannot be read."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder with scans in a known layout, there is no such folder")
    raw = RawFolder(root)
    bases = [base for place in PLACES if (base := root / place).is_dir()]
    for layout in LAYOUTS:
        for base in bases:
            found = find_scans(base, layout)
            for name, source in found.scans.items():
                raw.scans.setdefault(name, source)
            raw.incomplete += found.incomplete
            for split, names in found.splits.items():
                raw.splits.setdefault(split, names)
    raw.incomplete = [name for name in dict.fromkeys(raw.incomplete) if name not in raw.scans]
    if not raw.scans:
        raise InputError(
            f"{root}: expected scans as scans/<id>/<id>{MESH} or <id>/<id>{MESH}, or in another layout that "
            "docs/data.md lists, found none; give the folder that contains scans/"
        )
    _find_lists(raw, bases)
    return raw


def _find_lists(raw: RawFolder, bases: list[Path]) -> None:
    """Find everything that is not a scan; `bases` are the folders that may hold it."""
    raw.table = _first(bases, LABEL_TABLE, f"scans/{LABEL_TABLE}", f"meta_data/{LABEL_TABLE}")
    infos = {
        split: (path, uniseg3d_infos.read_infos(path))
        for split in SPLITS
        if (path := _first(bases, uniseg3d_infos.INFOS.format(split))) is not None
    }
    for split in SPLITS:
        names = (f"splits/{split}.txt", f"splits/scannetv2_{split}.txt", f"scannetv2_{split}.txt")
        path = _first(bases, *names, f"meta_data/scannetv2_{split}.txt", f"{split}.txt")
        if path is not None:
            raw.splits[split] = _read_split(path)
        elif split in infos:
            raw.splits.setdefault(split, tuple(info.name for info in infos[split][1]))
    if not raw.splits:
        raw.packaged_splits = True
        raw.splits = {split: packaged_split(split) for split in SPLITS}
    beside = [raw.root.resolve().parent] if raw.root.resolve().name in BESIDE else []
    for split in SPLITS:
        for source in BOTH:
            path = _first(bases + beside, *_annotation_names(source, split))
            if path is not None:
                raw.annotations[source, split] = Sentences(path, read_entries(path))
        if split in infos:
            path, listed = infos[split]
            sentences = [entry for info in listed for entry in uniseg3d_infos.scanrefer_entries(info)]
            if sentences:
                raw.annotations.setdefault(("scanrefer", split), Sentences(path, sentences))
            raw.pseudo_masks |= {i.name: i.novel for i in listed if i.novel is not None and i.name in raw.scans}
        path = _first(bases, f"programs_{split}.json")
        if path is not None:
            raw.programs[split] = path
    for source, names in referit3d.FILES.items():
        path = _first(bases + beside, *(f"{folder}{name}" for name in names for folder in REFERIT3D))
        if path is not None:
            for split, entries in referit3d.by_split(referit3d.read_referit3d(path), raw.splits).items():
                raw.annotations[source, split] = Sentences(path, entries)
    for base in reversed(bases):
        files = {name: base / "super_points" / f"{name}.bin" for name in raw.scans}
        raw.superpoints |= {name: path for name, path in files.items() if path.is_file()}
    raw.feature_data = [p for name in FEATURE_DATA if (p := _first(bases, f"feature_data/{name}")) is not None]
    raw.rooms = next((base / "rooms" for base in bases if (base / "rooms").is_dir()), None)


def _annotation_names(source: str, split: str) -> tuple[str, ...]:
    if source == "scanrefer":
        names = f"ScanRefer_filtered_{split}.json", f"ScanRefer_{split}_new.json"
        return tuple(f"{folder}{name}" for name in names for folder in ("", "ScanRefer/", "scanrefer/"))
    name = f"multi3drefer_{split}.json"
    return name, f"multi3drefer/{name}", f"Multi3DRefer/{name}"


def _read_split(path: Path) -> tuple[str, ...]:
    """Return the scans that a list names, one a line, as names or as paths of files."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected UTF-8 text with one scan id per line") from None
    return tuple(Path(line).name.removesuffix(".ply") for line in lines)


def _first(bases: list[Path], *names: str) -> Path | None:
    return next((base / name for base in bases for name in names if (base / name).is_file()), None)


def describe(raw: RawFolder) -> list[Finding]:
    """Return what is there and what is missing, with what it is for or what its absence means."""
    lines = [
        Finding(f"scans, layout {layout}", f"{count:,}", _some([n for n, s in raw.scans.items() if s.layout == layout]))
        for layout, count in Counter(source.layout for source in raw.scans.values()).items()
    ]
    if raw.table is None:
        lines.append(Finding(LABEL_TABLE, "not found", "classes from the packaged lists (rare categories get none)"))
    else:
        lines.append(Finding(LABEL_TABLE, "found", _below(raw, raw.table)))
    if raw.packaged_splits:
        lines.append(Finding("splits/{train,val}.txt", "not found", "the published ScanNet v2 lists are used"))
    else:
        for split, names in raw.splits.items():
            absent = [name for name in names if name not in raw.scans]
            found = f"{len(absent):,} of {len(names):,} scans not found" if absent else f"{len(names):,} scans"
            lines.append(Finding(f"split {split}", found, _some(absent)))
    for split in ("train", "val"):
        for source, name, kind in (
            ("scanrefer", f"ScanRefer_filtered_{split}.json", "single-object"),
            ("multi3drefer", f"multi3drefer_{split}.json", "multi-object"),
        ):
            if (source, split) in raw.annotations:
                sentences = raw.annotations[source, split]
                lines.append(Finding(name, f"{len(sentences.entries):,} sentences", _below(raw, sentences.path)))
            else:
                lines.append(Finding(name, "not found", f"no {kind} sentences for {split}"))
    lines += [
        Finding(sentences.path.name, f"{len(sentences.entries):,} sentences", f"{split}: {_below(raw, sentences.path)}")
        for (source, split), sentences in raw.annotations.items()
        if source in referit3d.FILES
    ]
    if raw.superpoints:
        lines.append(Finding("super_points/<id>.bin", f"{len(raw.superpoints):,} scans", "used instead of our own"))
    if raw.pseudo_masks:
        count = sum(len(masks) for masks in raw.pseudo_masks.values())
        lines.append(Finding("sam3d_pseudo_sp_masks", f"{count:,} masks, {len(raw.pseudo_masks):,} scans"))
    lines += [Finding(f"feature_data/{path.name}", "found", FEATURE_DATA[path.name]) for path in raw.feature_data]
    if raw.incomplete:
        lines.append(Finding(_some(raw.incomplete), f"no mesh (<id>{MESH}) or superpoints", "left out"))
    return lines + _missing_parts(raw) + _not_needed(raw)


def _missing_parts(raw: RawFolder) -> list[Finding]:
    """Return a line for each of ScanNet's files that some of the scans in its layout lack."""
    lines = []
    for suffix, meaning in (
        (SEGMENTS, "no object and class labels"),
        (AGGREGATION, f"no object labels (classes come from <id>{LABELS} where that is there)"),
        (".txt", "no axis alignment"),
    ):
        absent = [
            name
            for name, source in raw.scans.items()
            if source.layout == "scannet" and not any(path.name.endswith(suffix) for path in source.files)
        ]
        if absent:
            lines.append(Finding(f"<id>{suffix}", f"not found for {_some(absent)}", meaning))
    return lines


def _not_needed(raw: RawFolder) -> list[Finding]:
    """Return a line per kind of file that is there and is never read, with its size."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for folder in {source.files[0].parent for source in raw.scans.values() if source.layout == "scannet"}:
        for path in folder.iterdir():
            suffix = next((s for s in NOT_NEEDED if path.name.endswith(s)), None)
            if suffix is not None and path.is_file():
                count[suffix] += 1
                size[suffix] += path.stat().st_size
    return [
        Finding(f"<id>{s}", f"{count[s]:,} files, {size[s] / 1e6:,.0f} MB", f"not needed ({NOT_NEEDED[s]})")
        for s in sorted(count)
    ]


def _below(raw: RawFolder, path: Path) -> str:
    return str(path.relative_to(raw.root)) if path.is_relative_to(raw.root) else str(path)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
