"""`saymask prepare`: read a folder of raw scans once and write what training and evaluation need.

DATA/scenes/<id>.safetensors, DATA/annotations/{scanrefer,multi3drefer}_{train,val}.json, DATA/manifest.json; for Rooms
also DATA/annotations/programs_<split>.json and DATA/rooms/<id>.json; where 2D features are asked for,
DATA/image_features/<name>/<id>.safetensors.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saymask.data.annotations import entry_object_ids, parse_entries
from saymask.data.image_store import feature_path
from saymask.data.prepare.given_features import NAME, find_given, take_given
from saymask.data.prepare.image_features import ImageOptions, ImageReport, locate_frames, make_image_features
from saymask.data.prepare.layouts.categories import with_names
from saymask.data.prepare.pseudo_masks import find_pseudo_masks
from saymask.data.prepare.raw import Finding, RawFolder, describe, find_raw
from saymask.data.prepare.scans import ScanReport, Superpoints, open_jobs, run_jobs
from saymask.data.scenes import VERSION, SceneInfo, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.io.frames import EVERY
from saymask.labels.tables import LabelTable, packaged_label_table, read_label_table
from saymask.util.console import plain_table, table_console
from saymask.util.engines.engine import Engine, Name
from saymask.util.files import check_writable, read_json, write_text
from saymask.util.locks import hold_folder


@dataclass
class Report(ScanReport):
    """Report of `prepare`."""

    annotations: dict[str, int] = field(default_factory=dict)
    """`scanrefer_train` etc. → annotations written."""
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    """`scanrefer_train` etc. → {"unknown scene": n, "unknown object": n} of those left out."""
    messages: list[str] = field(default_factory=list)
    images: ImageReport | None = None
    """Report on the 2D features, where they were asked for."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Say whether every scene, and its 2D features where it has frames, could be made."""
        return not self.failures and (self.images is None or not self.images.failures)


def prepare(
    raw: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    engine: Name = "process",
    address: str | None = None,
    superpoints: Superpoints = "mesh",
    pseudo_masks: str | Path | None = None,
    class_names: str | Path | None = None,
    image_features: str | None = None,
    image_features_from: str | Path | None = None,
    frames: str | Path | None = None,
    stretched: bool = False,
    image_weights: str | Path | None = None,
    final_norm: bool = True,
    every: int = EVERY,
    device: str = "auto",
    quiet: bool = False,
) -> Report:
    """Prepare every scan of a raw folder; scenes that are up to date are kept, so an interrupted run goes on.

    `workers`, `engine` and `address` say what works on the scans, as in `saymask.util.engines.engine.Engine`; 2D
    features are made by this process, with so many threads.

    `superpoints` recomputes them from the mesh ("mesh") or takes ScanNet's `segs.json` ("segs"). A scan that cannot
    be read is reported and the others go on; so are annotations that name an unknown scene or object. `quiet` shows
    no progress. Raises InputError before the work when the folders or the annotation files cannot be used.

    `pseudo_masks` is a folder with masks of objects that have no annotation, a file per scan (see
    `saymask.data.prepare.pseudo_masks`); scans without a file have none.

    `class_names` is a JSON file with names of other collections' categories (`layouts.categories.with_names`).

    `image_features_from` is a folder with 2D features as BQNet's authors offer them, which become those of
    `clip-vit-l14-336`, stretched; the scenes get the superpoints that they belong to
    (`saymask.data.prepare.given_features`).

    `image_features` names an image model (`clip-vit-l14-336`) whose features of the scans' frames are pooled to
    superpoints as well. The frames, `<id>.sens` or exported ones, lie in the scan folders, in RAW/frames or in
    `frames`; `image_weights` is a local folder with the model's weights. `stretched` is the official projection;
    `final_norm`, `every` and `device` as in `saymask.data.prepare.image_features.ImageOptions`.
    """
    start = time.perf_counter()
    if superpoints not in ("mesh", "segs"):
        raise InputError(f"superpoints: expected 'mesh' or 'segs', got {superpoints!r}")
    spread = Engine(engine, workers, address)
    spread.check()
    out = Path(out)
    check_writable(out / "manifest.json")
    folder = find_raw(raw)
    for (source, _), sentences in folder.annotations.items():
        parse_entries(sentences.entries, sentences.path, source=source)  # a broken file is said before the work
    table = packaged_label_table() if folder.table is None else read_label_table(folder.table)
    if class_names is not None:
        table = with_names(table, class_names)
    images = None
    if image_features is None and (frames is not None or image_weights is not None):
        raise InputError(
            "frames and image weights are used for 2D features: name them, image_features=clip-vit-l14-336"
        )
    if image_features is not None:
        images = ImageOptions(
            image_features,
            weights="" if image_weights is None else str(image_weights),
            frames=None if frames is None else Path(frames),
            stretched=stretched,
            final_norm=final_norm,
            every=every,
            device=device,
        )
    given = {} if image_features_from is None else find_given(image_features_from, folder.root, folder.scans)
    pseudo = {} if pseudo_masks is None else find_pseudo_masks(pseudo_masks, folder.scans)
    found = {} if images is None else _find_frames(folder, out, images)
    report = Report()

    def say(message: str) -> None:
        report.messages.append(message)
        if not quiet:
            print(message, file=sys.stderr)

    findings = [line for line in describe(folder) if images is None or line.what != "<id>.sens"]
    report.messages += map(str, findings)
    if not quiet:
        _print_findings(folder.root, findings)
    busy = f"{out}: another `saymask prepare` is writing there; wait for it or choose another folder"
    with hold_folder(out, busy):
        if pseudo_masks is not None:
            say(_pseudo_message(folder, pseudo))
        refer = {name: files.points for name, files in given.items()}
        jobs = open_jobs(folder, out, table, superpoints, pseudo, refer, report)
        if report.kept:
            say(f"{len(report.kept):,} of {len(folder.scans):,} scenes are up to date")
        run_jobs(jobs, spread, quiet, report, say)
        for name, error in sorted(report.failures.items()):
            print(f"failed: {error if name in error else f'{name}: {error}'}", file=sys.stderr)
            report.messages.append(f"failed: {name}: {error}")
        scenes = {name: read_scene_info(scene_path(out, name)) for name in sorted(report.done + report.kept)}
        _write_annotations(folder, out, scenes, report, say)
        _copy_rooms(folder, out, scenes)
        if given:
            taken = take_given(out, {name: files for name, files in given.items() if name in scenes})
            report.images = _image_report(taken, scenes, given, f"{NAME}, stretched", say)
        if images is not None:
            report.images = _make_images(out, scenes, found, images, workers or 1, quiet, say)
        _write_manifest(folder, out, scenes, table, superpoints, report)
    report.seconds = time.perf_counter() - start
    say(
        f"{len(report.done):,} scenes written, {len(report.kept):,} kept, {len(report.failures):,} failed "
        f"in {report.seconds:,.1f} s: {out}"
    )
    return report


def _print_findings(root: Path, findings: list[Finding]) -> None:
    """Print the table of what is there and what is missing, on standard error."""
    table = plain_table("what", "found", "note", title=f"in {root}")
    for line in findings:
        table.add_row(line.what, line.found, line.note)
    table_console(stderr=True, width=140).print(table)


def _pseudo_message(folder: RawFolder, pseudo: dict[str, Path]) -> str:
    without = [name for name in folder.scans if name not in pseudo]
    message = f"pseudo masks of {len(pseudo):,} of {len(folder.scans):,} scans"
    return f"{message}; none for {', '.join(without[:3])}{' …' if len(without) > 3 else ''}" if without else message


def _find_frames(folder: RawFolder, out: Path, options: ImageOptions) -> dict[str, Path]:
    """Return scene → frames; raise InputError before any work when 2D features cannot be made."""
    options.check()
    places = {name: source.files[0].parent for name, source in folder.scans.items()}
    found = locate_frames(places, folder.root, options.frames)
    if any(not feature_path(out, options.name, name, stretched=options.stretched).is_file() for name in found):
        from saymask.nn.clip_image import find_image_weights

        find_image_weights(options.weights or options.name)
    return found


def _make_images(
    out: Path,
    scenes: dict[str, SceneInfo],
    found: dict[str, Path],
    options: ImageOptions,
    workers: int,
    quiet: bool,
    say: Callable[[str], None],
) -> ImageReport:
    """Make 2D features of the prepared scenes that have frames."""
    frames = {name: found[name] for name in scenes if name in found}
    made = make_image_features(out, frames, options, workers=workers, quiet=quiet, say=say)
    return _image_report(made, scenes, found, options.name, say)


def _image_report(
    made: ImageReport, scenes: Collection[str], found: Collection[str], name: str, say: Callable[[str], None]
) -> ImageReport:
    """Return the report on 2D features, completed by the scenes without a source of any, and say what is in it."""
    made.without_frames = [scene for scene in scenes if scene not in found]
    for scene, error in sorted(made.failures.items()):
        say(f"failed: 2D features: {error if scene in error else f'{scene}: {error}'}")
    if made.without_frames:
        first = ", ".join(made.without_frames[:3])
        say(f"{len(made.without_frames):,} of {len(scenes):,} scenes have no frames and get no 2D features: {first}")
    say(
        f"2D features {name}: {len(made.done):,} scenes written, {len(made.kept):,} kept, {len(made.failures):,} failed"
    )
    return made


def _write_annotations(
    folder: RawFolder, out: Path, scenes: dict[str, SceneInfo], report: Report, say: Callable[[str], None]
) -> None:
    for (source, split), sentences in folder.annotations.items():
        name, path = f"{source}_{split}", sentences.path
        kept, dropped, examples = _known_entries(sentences.entries, scenes, path, hidden=split == "test")
        report.annotations[name] = len(kept)
        target = out / "annotations" / f"{name}.json"
        if kept:
            write_text(target, json.dumps(kept, ensure_ascii=False))
        else:
            target.unlink(missing_ok=True)
        say(f"{path.name}: {len(kept):,} annotations")
        if dropped:
            report.dropped[name] = dict(dropped)
            for reason, n in dropped.items():
                say(f"{path.name}: {n:,} annotations name an {reason} and are left out (first: {examples[reason]})")
    for split, path in folder.programs.items():
        write_text(out / "annotations" / f"programs_{split}.json", json.dumps(read_json(path), ensure_ascii=False))


def _known_entries(
    entries: list[dict[str, Any]], scenes: dict[str, SceneInfo], path: Path, *, hidden: bool
) -> tuple[list[dict[str, Any]], Counter[str], dict[str, str]]:
    """Return the entries whose scene and objects are there (ids of doubled groups replaced), and what was left out.

    The objects of a split with `hidden` truth are not known, so they are not asked for.
    """
    kept: list[dict[str, Any]] = []
    dropped: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for number, entry in enumerate(entries):
        scene = scenes.get(entry["scene_id"])
        ids = entry_object_ids(entry, path, number)
        if scene is None:
            reason, example = "unknown scene", entry["scene_id"]
        else:
            ids = tuple(scene.aliases.get(i, i) for i in ids)
            absent = [] if hidden else [i for i in ids if i not in scene.objects]
            if not absent:
                changed = {"object_ids": list(ids)} if "object_ids" in entry else {"object_id": str(ids[0])}
                kept.append({**entry, **changed})
                continue
            reason, example = "unknown object", f"{entry['scene_id']} object {absent[0]}"
        dropped[reason] += 1
        examples.setdefault(reason, example)
    return kept, dropped, examples


def _copy_rooms(folder: RawFolder, out: Path, scenes: dict[str, SceneInfo]) -> None:
    """Copy the room descriptions of Rooms."""
    if folder.rooms is None:
        return
    for name in scenes:
        source = folder.rooms / f"{name}.json"
        if source.is_file():
            text = json.dumps(read_json(source), ensure_ascii=False)
            target = out / "rooms" / source.name
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                write_text(target, text)


def _write_manifest(
    folder: RawFolder,
    out: Path,
    scenes: dict[str, SceneInfo],
    table: LabelTable,
    superpoints: Superpoints,
    report: Report,
) -> None:
    splits = {name: [s for s in ids if s in scenes] for name, ids in folder.splits.items()}
    manifest = {
        "format": "saymask-data",
        "version": VERSION,
        "superpoints": superpoints,
        "label_table": {"file": Path(table.source).name, "rows": len(table.rows)},
        "scenes": {
            name: {"points": s.points, "superpoints": s.superpoints, "objects": len(s.objects)}
            for name, s in scenes.items()
        },
        "splits": {name: ids for name, ids in splits.items() if ids},
        "annotations": report.annotations,
        "dropped": report.dropped,
        "failures": report.failures,
    }
    images = {p.name: [s for s in scenes if feature_path(out, p.name, s).is_file()] for p in _image_folders(out)}
    if images:
        manifest["image_features"] = {name: len(made) for name, made in images.items()}
    for name, ids in manifest["splits"].items():
        write_text(out / "splits" / f"{name}.txt", "".join(f"{s}\n" for s in ids))
    write_text(out / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _image_folders(out: Path) -> list[Path]:
    return sorted(p for p in (out / "image_features").glob("[!.]*") if p.is_dir())
