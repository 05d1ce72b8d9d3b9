"""Generation of whole splits of rooms: in parallel, resumable, and the same on every machine.

A room is made, scanned, described and written by one worker; its folder appears complete or not at all. When all
rooms are there, the files of the whole benchmark are put together from the records of the rooms.
"""

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.rooms.furniture.library import read_library
from saymask.rooms.mesh import VERSION, check_version, make_room, random_state, room_id
from saymask.rooms.sensor.ideal import seen_things
from saymask.rooms.sensor.scan import check_sensor, scan_room
from saymask.rooms.write import scan_files, write_label_table, write_room
from saymask.util.cores import end_with_parent, worker_died
from saymask.util.files import check_writable, write_text
from saymask.util.locks import hold_folder
from saymask.util.progress import bars

SOURCES = {"scanrefer": "ScanRefer_filtered", "multi3drefer": "multi3drefer"}
# Published figures that a card shows beside its own (docs/systems/less.md §B.6; head and tail as in
# docs/systems/rooms.md §2).
PUBLISHED = {
    "scanrefer": {
        "descriptions": {"train": 36_665, "val": 9_508}, "scenes": {"train": 562, "val": 141},
        "descriptions_per_scene": {"train": 65.2, "val": 67.4}, "unique_share": {"val": 0.194}, "mean_tokens": 18,
    },
    "scannet": {"scenes": {"train": 1_201, "val": 312}, "classes": {"head": 66, "common": 68, "tail": 66}},
}  # fmt: skip
HEAD, TAIL = 0.10, 0.015  # share of rooms


def generate(
    out: str | Path,
    splits: dict[str, int],
    *,
    seed: int = 0,
    version: int = VERSION,
    sensor: str = "ideal",
    furniture: str | Path | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Generate rooms with sentences into OUT and return the card, which is also OUT/card.json.

    `splits`: rooms per split, for example {"train": 400, "val": 60}. `furniture`: a file of models that stand in for a
    part of the furniture (`saymask.data.furniture_library`); rooms then depend on that file, too. Rooms that are
    complete are kept, so that an interrupted run resumes, and a larger number adds rooms. InputError when OUT holds
    rooms made with other settings, cannot be written, or when there is no such version or sensor.
    """
    out = Path(out)
    check_sensor(sensor)
    check_version(version, furniture is not None)
    models = None if furniture is None else str(Path(furniture).resolve())
    if models is not None:
        read_library(models)
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    for split, count in splits.items():
        if split not in ("train", "val") or count < 1:
            raise InputError(f"splits: expected train and/or val with at least one room, got {split}={count}")
    check_writable(out / "card.json")
    library = None if models is None else hashlib.sha256(Path(models).read_bytes()).hexdigest()
    settings = {"version": version, "seed": seed, "sensor": sensor, "furniture": library}
    busy = f"{out}: another process generates rooms there; wait for it or choose another folder"
    with hold_folder(out, busy):
        return _generate(out, splits, settings, models, workers, quiet)


def _generate(
    out: Path, splits: dict[str, int], settings: dict[str, Any], models: str | None, workers: int, quiet: bool
) -> dict[str, Any]:
    """Make what is missing in a folder that is held by this process alone."""
    _claim(out, settings)
    seed, version, sensor = settings["seed"], settings["version"], settings["sensor"]
    rooms = [(split, index) for split, count in splits.items() for index in range(count)]
    todo = [
        (str(out), split, index, seed, version, sensor, models)
        for split, index in rooms
        if not _complete(out, room_id(split, index))
    ]
    with _progress(len(rooms), len(rooms) - len(todo), quiet) as advance:
        for _ in _run(todo, workers):
            advance()
    return _finish(out, splits, settings)


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Note the settings of the rooms in OUT; refuse a folder with rooms of other settings."""
    path = out / "rooms" / "settings"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        differ = ", ".join(
            f"{k} {found.get(k)!r} there, {v!r} asked for" for k, v in settings.items() if found.get(k) != v
        )
        if differ:
            raise InputError(f"{out} holds rooms made with other settings ({differ}); choose an empty folder")
    write_text(path, json.dumps(settings))


def _complete(out: Path, id: str) -> bool:
    scan = out / "scans" / id
    return (
        all((scan / name).is_file() for name in scan_files(id))
        and (out / "rooms" / f"{id}.json").is_file()
        and (out / "rooms" / "records" / f"{id}.json").is_file()
    )


Job = tuple[str, str, int, int, int, str, str | None]
"""Room to make: OUT, split, index, seed, version, sensor, furniture library."""


def make_one(job: Job) -> str:
    """Make, scan, describe and write one room; return its id."""
    from saymask.rooms.files import write_room_json
    from saymask.rooms.language.describe import describe

    out, split, index, seed, version, sensor, models = job
    mesh = make_room(split, index, seed, version, library=None if models is None else read_library(models))
    capture = scan_room(mesh, sensor)
    seen = seen_things(mesh, capture)
    rng = random_state(version, seed, split, index, 2)
    told = describe(mesh.room, rng=rng, split="val" if split == "val" else "train", seen=seen)
    try:
        write_room_json(Path(out) / "rooms" / f"{mesh.room.id}.json", mesh.room)
        counts = np.bincount(capture.objects, minlength=len(mesh.bodies))
        record = {
            "kind": mesh.room.kind,
            "vertices": len(capture.vertices),
            "objects": [body.label for body in mesh.bodies if counts[body.id] > 0],
            "things": len(mesh.room.things),
            "spoken": len(seen),
            "scanrefer": told.scanrefer,
            "multi3drefer": told.multi3drefer,
            "programs": told.programs,
        }
        text = json.dumps(record, separators=(",", ":"))
        write_text(Path(out) / "rooms" / "records" / f"{mesh.room.id}.json", text)
        write_room(out, mesh, capture)
    except OSError as error:
        raise InputError(f"cannot write room {mesh.room.id} to {out}: {error.strerror or error}") from None
    return mesh.room.id


def _run(jobs: list[Job], workers: int) -> Iterator[str]:
    """Run the jobs in processes; yield the id of every finished room."""
    if workers == 1 or len(jobs) <= 1:
        yield from map(make_one, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=end_with_parent)
    try:
        waiting: set[Future[str]] = set()
        queue = iter(jobs)
        for job in queue:
            waiting.add(pool.submit(make_one, job))
            if len(waiting) >= 4 * workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool:
        raise worker_died(workers, "finished rooms are kept") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _progress(total: int, done: int, quiet: bool):
    """Show a bar with rooms per second on standard error; yield the function that advances it."""
    began, made = time.monotonic(), 0
    with bars(quiet=quiet) as progress:
        task = progress.add_task("rooms", total=total, completed=done, rate="")

        def advance() -> None:
            nonlocal made
            made += 1
            progress.update(task, advance=1, rate=f"{made / (time.monotonic() - began):.2f} rooms/s")

        yield advance


def _finish(out: Path, splits: dict[str, int], settings: dict[str, Any]) -> dict[str, Any]:
    """Write the files of the whole benchmark and return the card."""
    records: dict[str, dict[str, dict[str, Any]]] = {}
    for split, count in splits.items():
        ids = [room_id(split, index) for index in range(count)]
        records[split] = {
            id: json.loads((out / "rooms" / "records" / f"{id}.json").read_text(encoding="utf-8")) for id in ids
        }
        write_text(out / "splits" / f"{split}.txt", "\n".join(ids) + "\n")
        for source, name in SOURCES.items():
            rows = [row for id in ids for row in records[split][id][source]]
            write_text(out / f"{name}_{split}.json", json.dumps(rows, indent=1))
        write_text(out / f"ScanRefer_filtered_{split}.txt", "\n".join(ids) + "\n")
        programs = {s: [row for id in ids for row in records[split][id]["programs"][s]] for s in SOURCES}
        write_text(out / f"programs_{split}.json", json.dumps(programs, separators=(",", ":")))
    everything = [room for split in records.values() for room in split.values()]
    counts: dict[str, int] = {}
    for room in everything:
        for label in room["objects"]:
            counts[label] = counts.get(label, 0) + 1
    write_label_table(out / "scannetv2-labels.combined.tsv", counts, settings["version"])
    card = _card(out, records, counts, settings)
    write_text(out / "card.json", json.dumps(card, indent=1))
    return card


def _card(
    out: Path, records: dict[str, dict[str, Any]], counts: dict[str, int], settings: dict[str, Any]
) -> dict[str, Any]:
    from saymask.data.annotations import unique_multiple
    from saymask.rooms.language.describe import sentence_statistics

    everything = [room for split in records.values() for room in split.values()]
    present: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for room in everything:
        kinds[room["kind"]] = kinds.get(room["kind"], 0) + 1
        for label in set(room["objects"]):
            present[label] = present.get(label, 0) + 1
    share = {label: n / len(everything) for label, n in sorted(present.items(), key=lambda item: (-item[1], item[0]))}
    group = {label: "head" if v >= HEAD else "tail" if v <= TAIL else "common" for label, v in share.items()}
    sentences: dict[str, Any] = {}
    for split, rooms in records.items():
        sentences[split] = {}
        for source in SOURCES:
            rows = [row for room in rooms.values() for row in room[source]]
            programs = [row for room in rooms.values() for row in room["programs"][source]]
            sentences[split][source] = sentence_statistics(rows, programs)
            if source == "scanrefer" and rows:
                flags = unique_multiple((r["scene_id"], int(r["object_id"]), r["object_name"]) for r in rows)
                sentences[split][source]["unique_share"] = 1 - sum(flags) / len(flags)
    return {
        "name": "rooms",
        **settings,
        "rooms": {split: len(rooms) for split, rooms in records.items()},
        "kinds": dict(sorted(kinds.items())),
        "objects": sum(counts.values()),
        "things_per_room": sum(room["things"] for room in everything) / len(everything),
        "vertices_per_room": sum(room["vertices"] for room in everything) / len(everything),
        "classes": {name: sum(g == name for g in group.values()) for name in ("head", "common", "tail")},
        "class_frequencies": {
            label: {"rooms": round(v, 4), "instances": counts[label], "group": group[label]}
            for label, v in share.items()
        },
        "sentences": sentences,
        "published": PUBLISHED,
        "val_sha256": split_hash(out, "val") if "val" in records else None,
        "note": "Synthetic rooms: a benchmark of the software, not of accuracy on real scans.",
    }


def split_hash(out: str | Path, split: str) -> str:
    """Return the sha256 over every file of a split, in the order of splits/<split>.txt."""
    out = Path(out)
    digest = hashlib.sha256()
    ids = (out / "splits" / f"{split}.txt").read_text(encoding="utf-8").split()
    names = [f"scans/{id}/{name}" for id in ids for name in scan_files(id)]
    names += [f"rooms/{id}.json" for id in ids]
    names += [f"{name}_{split}.json" for name in SOURCES.values()] + [f"programs_{split}.json"]
    for name in names:
        digest.update(name.encode("utf-8"))
        digest.update((out / name).read_bytes())
    return digest.hexdigest()
