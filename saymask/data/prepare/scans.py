"""Preparation of scans: those that are up to date are kept, the others made in one process or in several."""

import errno
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from saymask.data.prepare.layouts.source import ScanSource
from saymask.data.prepare.layouts.uniseg3d import read_superpoints
from saymask.data.prepare.pseudo_masks import read_pseudo_masks
from saymask.data.prepare.raw import RawFolder
from saymask.data.scenes import NOVEL, VERSION, read_scene_info, save_scene, scene_path
from saymask.errors import InputError
from saymask.io.scannet import MESH, check_extent
from saymask.labels.tables import LabelTable
from saymask.scan import Scan
from saymask.util.engines.engine import Engine, Lost, each
from saymask.util.progress import bars

Superpoints = Literal["mesh", "segs"]


@dataclass
class ScanReport:
    """Report on the scans."""

    done: list[str] = field(default_factory=list)
    """Scenes written now."""
    kept: list[str] = field(default_factory=list)
    """Scenes that were up to date."""
    failures: dict[str, str] = field(default_factory=dict)
    """Scene → why it could not be prepared."""


@dataclass(frozen=True)
class _Job:
    source: ScanSource
    out: Path
    table: LabelTable
    superpoints: Superpoints
    pseudo: Path | None
    """File with its pseudo masks."""
    given: Path | None
    """File with its superpoints: `<scan>_refer.pth`, or `.bin` of UniSeg3D."""
    masks: np.ndarray | None  # bool [J, S]: its pseudo masks over those superpoints
    fingerprint: str

    @property
    def name(self) -> str:
        return self.source.name


@dataclass(frozen=True)
class _Outcome:
    error: str = ""
    full: bool = False
    """The disk is full, so the remaining scans are not tried."""
    unknown_labels: tuple[str, ...] = ()


def open_jobs(
    folder: RawFolder,
    out: Path,
    table: LabelTable,
    superpoints: Superpoints,
    pseudo: dict[str, Path],
    given: dict[str, Path],
    report: ScanReport,
) -> list[_Job]:
    """Return the scans to do; note those that are up to date and those whose files are not clear.

    `pseudo`: scan → file with its pseudo masks; `given`: scan → file with its superpoints. A scan without `pseudo` has
    the pseudo masks of the raw folder.
    """
    rows = hashlib.sha256(repr(sorted(table.rows.items())).encode()).hexdigest()
    jobs = []
    for name, source in folder.scans.items():
        if not source.files[0].is_file():
            report.failures[name] = f"{source.files[0].parent}: expected {name}{MESH}, got other meshes; rename it"
            continue
        facts: list[Any] = [VERSION, superpoints, rows]
        more = pseudo.get(name), given.get(name, folder.superpoints.get(name) if superpoints == "mesh" else None)
        facts += [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in [*source.files, *filter(None, more)]]
        masks = None if name in pseudo else folder.pseudo_masks.get(name)
        if masks is not None:
            facts += [masks.shape, hashlib.sha256(masks.tobytes()).hexdigest()]
        fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        job = _Job(source, out, table, superpoints, *more, masks, fingerprint)
        if _is_current(scene_path(out, name), job.fingerprint):
            report.kept.append(name)
        else:
            jobs.append(job)
    return jobs


def _is_current(path: Path, fingerprint: str) -> bool:
    if not path.is_file():
        return False
    try:
        info = read_scene_info(path)
    except (InputError, KeyError, ValueError):
        return False  # written by something else or another version: it is made anew
    return info.version == VERSION and info.fingerprint == fingerprint


def run_jobs(jobs: list[_Job], engine: Engine, quiet: bool, report: ScanReport, say: Callable[[str], None]) -> None:
    """Prepare scans; what is wrong with one is kept in the report. Raises InputError when the disk is full."""
    unknown: Counter[str] = Counter()
    with _progress(len(jobs), quiet) as advance:
        for job, outcome in each(engine, jobs, _preparing):
            if isinstance(outcome, Lost):
                outcome = _Outcome(error=str(outcome))
            if outcome.full:
                raise InputError(
                    f"{job.out}: the disk is full after {len(report.done):,} new scenes; "
                    "free some space and run the same command again, finished scenes are kept"
                )
            if outcome.error:
                report.failures[job.name] = outcome.error
            else:
                report.done.append(job.name)
                unknown.update(outcome.unknown_labels)
            advance()
    if unknown:
        shown = ", ".join(f"{label!r} ({n} scans)" for label, n in unknown.most_common(5))
        say(f"raw categories that are not in the label table, their points have no class: {len(unknown)}: {shown}")


def _preparing() -> Callable[[_Job], _Outcome]:
    return _prepare_scan


def _prepare_scan(job: _Job) -> _Outcome:
    """Read, complete and write one scan; what is wrong with it comes back as text."""
    try:
        return _Outcome(unknown_labels=_write_scan(job))
    except InputError as error:
        return _Outcome(error=str(error))
    except OSError as error:
        return _Outcome(error=f"{error.strerror or error}: {error.filename}", full=error.errno == errno.ENOSPC)


def _write_scan(job: _Job) -> tuple[str, ...]:
    from saymask.data.prepare.given_features import given_superpoints
    from saymask.geometry.normals import estimate_normals, vertex_normals
    from saymask.geometry.superpoints import superpoints_of

    raw = job.source.read(job.table)
    scan = raw.scan
    check_extent(scan)
    if scan.faces is not None and len(scan.faces):
        normals = vertex_normals(scan.points, scan.faces)
    else:
        normals = estimate_normals(scan.points)
    if job.superpoints == "segs" and scan.superpoints is None:
        raise InputError(f"scan {scan.name}: superpoints from segs.json were asked for, there is none; use 'mesh'")
    scan = replace(scan, normals=normals, source=None, name=job.name)
    if job.pseudo is not None:
        novel = read_pseudo_masks(job.pseudo, len(scan))
        scan = replace(scan, labels={**scan.labels, NOVEL: novel})
    if job.given is not None:
        read = read_superpoints(job.given, len(scan)) if job.given.suffix == ".bin" else None
        scan = replace(scan, superpoints=given_superpoints(job.given, scan.points) if read is None else read)
    elif job.superpoints == "mesh" and (scan.faces is not None or scan.superpoints is None):
        scan = replace(scan, superpoints=superpoints_of(replace(scan, superpoints=None)))
    if job.masks is not None:
        scan = replace(scan, novel_masks=_fitting(job.masks, scan))
    save_scene(
        scene_path(job.out, job.name), scan, objects=raw.objects, aliases=raw.aliases, fingerprint=job.fingerprint
    )
    return raw.unknown_labels


def _fitting(masks: np.ndarray, scan: Scan) -> np.ndarray:
    """Return pseudo masks bool [J, S]; InputError unless they are over the superpoints of the scan."""
    count = 0 if scan.superpoints is None else int(scan.superpoints.max(initial=-1)) + 1
    if masks.shape[1] != count:
        raise InputError(
            f"scan {scan.name}: expected pseudo masks over {count:,} superpoints, got {masks.shape[1]:,} columns; put "
            "the super_points/ that they were made for beside the scans"
        )
    return masks


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show a bar with scenes per second; yield the function that moves it by one."""
    if quiet or not total:
        yield lambda: None
        return
    with bars() as bar:
        task = bar.add_task("preparing", total=total, rate="")
        start, count = time.perf_counter(), 0

        def advance() -> None:
            nonlocal count
            count += 1
            bar.update(task, advance=1, rate=f"{count / (time.perf_counter() - start):.2f} scenes/s")

        yield advance
