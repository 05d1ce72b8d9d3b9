"""The work that is disturbed: small, but the real commands on real files."""

import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from saymask import cli
from saymask.hub import registry
from saymask.hub.checkpoints import save_checkpoint
from saymask.io.ply import write_ply
from saymask.training.run import train as train_run
from tests.data.fake_scannet import make_fake_scannet
from tests.models.toy_model import make_prepared, make_scan

SENTENCE = "the red chair"
CHANGING = {"seconds", "date", "created", "samples_per_second", "sha256", "bytes", "command", "origin"}
"""Names of values that differ from run to run; `origin` holds times of files."""


@dataclass(frozen=True)
class Job:
    """A command that writes into the folder OUT and can be given again there after it was ended."""

    work: Callable[[Path, Path], None]
    """Does everything: (folder of `make`, OUT)."""
    make: Callable[[Path], None] = lambda folder: None
    """Makes what is read."""
    older: Callable[[Path, Path], None] | None = None
    """Fills OUT with older results, which are overwritten."""
    modules: tuple[str, ...] = ()
    """Modules that take long to import."""
    growing: tuple[str, ...] = ()
    """Files (patterns) that have another content while the work lasts, each time a whole one."""


def register() -> None:
    """Make the toy models known in this process."""
    registry.SYSTEMS.update(toy="tests.models.toy_model:Toy")
    registry.PRESETS.update({"toy.tiny": "tests.models.toy_model:tiny"})


def command(*arguments: Any) -> None:
    """Run a command line; SystemExit for one that is refused."""
    code = cli.run([str(a) for a in arguments])
    if code:
        raise SystemExit(code)


def _checkpoint(folder: Path) -> None:
    import torch

    register()
    torch.manual_seed(0)
    model = registry.build("toy.tiny")
    with torch.no_grad():
        cast(Any, model).query.weight.mul_(30)  # sure of itself, so that every sentence has a mask of its own
    save_checkpoint(model, folder / "toy.safetensors")


def _scans(folder: Path) -> None:
    _checkpoint(folder)
    for number in range(4):
        scan, _ = make_scan(number)
        columns = {axis: scan.points[:, i] for i, axis in enumerate("xyz")}
        columns |= {name: scan.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
        (folder / "scans").mkdir(exist_ok=True)
        write_ply(folder / "scans" / f"{scan.name}.ply", columns)


def _prepared(folder: Path) -> None:
    _checkpoint(folder)
    make_prepared(folder / "data", train=4, val=3)


def _ask(source: Path, out: Path, sentence: str = SENTENCE) -> None:
    scan = source / "scans" / "scene0000_00.ply"
    model = source / "toy.safetensors"
    command("refer", scan, sentence, "--model", model, "--unit", "m", "--up", "z", "--out", out / "hit.ply")


def _ask_all(source: Path, out: Path) -> None:
    options = ("--model", source / "toy.safetensors", "--unit", "m", "--up", "z", "--format", "ply", "npz")
    command("refer", source / "scans", SENTENCE, *options, "--out", out)


def _evaluate(source: Path, out: Path, *more: str) -> None:
    files = ("--json", out / "all.json", "--rows", out / "rows.csv", "--export", out / "predictions.json.gz")
    command("evaluate", source / "toy.safetensors", "--data", source / "data", "--quiet", *files, *more)


def _train(source: Path, out: Path) -> None:
    settings = {"epochs": 3, "evaluate_every": 1}
    options: dict[str, Any] = {"save_steps": 2, "log_every": 1, "accelerator": "cpu", "quiet": True}
    train_run("toy.tiny", source / "data", out, overrides=settings, **options)


JOBS: dict[str, Job] = {
    "rooms": Job(lambda source, out: command("rooms", out, "--split", "train=2", "--workers", "1"),
        modules=("saymask.rooms.generate", "saymask.rooms.language.describe"),
    ),
    "prepare": Job(
        lambda source, out: command("prepare", source / "raw", "--out", out, "--workers", "1"),
        lambda folder: make_fake_scannet(folder / "raw", train=3, val=1), modules=("saymask.data.prepare.folder",),
    ),
    "train": Job(
        _train, _prepared, modules=("lightning.pytorch", "torch.utils.tensorboard", "saymask.training.callbacks"),
        growing=("state.pt", "last.*", "best.*", "metrics.csv", "tensorboard/*"),
    ),
    "evaluate": Job(_evaluate, _prepared, lambda source, out: _evaluate(source, out, "--limit", "5"),
        modules=("saymask.evaluation.run", "saymask.hub.checkpoints"),
    ),
    "folder": Job(_ask_all, _scans, modules=("saymask.cli.batch", "saymask.scene.scene")),
    "out": Job(_ask, _scans, lambda source, out: _ask(source, out, "the blue lamp"), modules=("saymask.scene.scene",)),
}  # fmt: skip


def content(path: Path) -> Any:
    """Return what must be equal in a file of a disturbed and of an undisturbed run; raises for a broken one."""
    if path.suffix == ".json":
        return _without(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".safetensors" and "scenes" not in path.parts:
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:  # the card in the header says how long it took
            return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    if path.suffix == ".pt":
        import torch

        state = torch.load(path, weights_only=True)
        return {"step": state["progress"]["step"], **{k: v.numpy().tobytes() for k, v in state["model"].items()}}
    if path.name == "metrics.csv":
        with open(path, encoding="utf-8") as file:
            return [_without(row) for row in csv.DictReader(file)]
    if path.name.startswith("events."):
        return None
    return path.read_bytes()


def contents(out: Path) -> dict[str, Any]:
    """Return name → content of all files below OUT, but for locks; TensorBoard's own are counted as one."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != ".lock":
            name = "events" if path.name.startswith("events.") else path.relative_to(out).as_posix()
            found[name] = content(path)
    return found


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without(v) for k, v in value.items() if k not in CHANGING}
    if isinstance(value, list):
        return [_without(v) for v in value]
    if isinstance(value, str):
        # Paths of this run's own folders.
        return value.replace(os.getcwd(), "")
    return value


def equal(a: Any, b: Any) -> bool:
    """Say whether two contents are equal, NaN being equal to itself."""
    return json.dumps(a, default=_text) == json.dumps(b, default=_text)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return str(np.asarray(value))
