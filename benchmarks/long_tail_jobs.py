"""The runs of the long-tail experiment: which there are, what each needs to know, and how one is trained and measured.

A run's result is kept with the fingerprint of all that decided it, so that it is made once and never taken for another.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from saymask.errors import InputError
from saymask.models.base import Preset
from saymask.util.files import write_text

PROTOCOL = "scannet200"


@dataclass(frozen=True)
class Run:
    """One way to train."""

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    """Whether it starts from the run `pretrain` of the same share and seed."""
    budget: Literal["pretrain", "finetune", "both"] = "finetune"
    """Epochs: those of the pre-training, those of everything else, or their sum."""


CE, FOCAL = "lground.rooms-ce", "lground.rooms-focal"
SAMPLING = {"model.view.insertion": {}}  # its own defaults
MIXING = {"model.view.mix": 0.5}
RUNS: dict[str, Run] = {
    "pretrain": Run("lground.rooms-pretrain", budget="pretrain"),
    "ce": Run(CE),
    "focal": Run(FOCAL),
    "ce-long": Run(CE, budget="both"),
    # Stage 2 as published: the whole network goes on from stage 1. Only the start differs from the run from scratch.
    "pretrain+ce": Run(CE, pretrained=True),
    "pretrain+focal": Run(FOCAL, pretrained=True),
    "pretrain+focal+sampling": Run(FOCAL, SAMPLING, pretrained=True),
    "pretrain+focal+mixing": Run(FOCAL, MIXING, pretrained=True),
}
OWN = ("train.task", "train.seed", "train.epochs", "train.init", "model.view.annotated", "model.loss")
"""Settings that are the experiment's."""
FREE = ("train.workers", "train.evaluate_every", "train.max_val", "train.protocol")
"""Settings that change nothing in a run that is not validated while it trains."""


@dataclass(frozen=True)
class Job:
    """A run with one share of annotations and one seed: all that its process needs to know, as plain data."""

    run: str
    share: float
    seed: int
    preset: str
    settings: dict[str, Any]
    data: str
    folder: str
    start: str = ""
    """Folder of the pre-training that it starts from."""
    max_steps: int = 0
    limit: int = 0
    """Validation scans that are measured, evenly spread; 0 = all."""
    devices: int = 1

    @property
    def name(self) -> str:
        """Name of the job and of its folder."""
        return job_name(self.run, self.share, self.seed)


def job_name(run: str, share: float, seed: int) -> str:
    """Return the name of a run with a share of annotations and a seed."""
    return f"{run}-{share:g}-{seed}"


def plan(options: argparse.Namespace, epochs: Mapping[str, int]) -> list[Job]:
    """Return the jobs that were asked for, each after the pre-training that it needs.

    `epochs` holds those of the budgets "pretrain" and "finetune". Raises InputError for unknown runs, shares outside
    0..1 and settings that are not NAME=VALUE.
    """
    unknown = [run for run in options.only if run not in RUNS]
    if unknown:
        raise InputError(f"--only: expected some of {', '.join(RUNS)}, got {', '.join(unknown)}")
    if any(not 0 < share <= 1 for share in options.share):
        raise InputError(f"--share: expected numbers above 0 and up to 1, got {options.share}")
    wanted = set(options.only or RUNS)
    if any(RUNS[run].pretrained for run in wanted):
        wanted.add("pretrain")
    given = dict(_setting(text) for text in options.set)
    total = {**epochs, "both": epochs["pretrain"] + epochs["finetune"]}
    jobs = []
    for seed in dict.fromkeys(options.seed):
        for share in dict.fromkeys(options.share):
            for name, run in RUNS.items():
                if name not in wanted:
                    continue
                start = Path(options.out) / job_name("pretrain", share, seed) if run.pretrained else None
                settings = {
                    "train.task": "none",
                    "train.seed": seed,
                    "train.epochs": total[run.budget],
                    "model.view.annotated": share,
                    **({"train.precision": options.precision} if options.precision else {}),
                    **({"model.view.voxel_size": options.voxel_size} if options.voxel_size else {}),
                    **given,
                    **run.settings,
                    **({"train.init": str(start / "last.safetensors")} if start else {}),
                }
                folder = Path(options.out) / job_name(name, share, seed)
                steps = options.max_steps * (2 if run.budget == "both" else 1)
                jobs.append(
                    Job(
                        run=name,
                        share=share,
                        seed=seed,
                        preset=run.preset,
                        settings=settings,
                        data=str(options.data),
                        folder=str(folder),
                        start=str(start or ""),
                        max_steps=steps,
                        limit=options.limit,
                        devices=options.devices,
                    )
                )
    return jobs


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise InputError(f"--set: expected NAME=VALUE such as train.batch_size=4 or model.gamma=1, got {text!r}")
    if name in OWN:
        raise InputError(f"--set: {name} differs from run to run; use --epochs, --pretrain-epochs, --seed, --share")
    return name, value


def resolved(job: Job) -> Preset:
    """Return the preset of a job with its settings; raise InputError for settings that do not fit."""
    from saymask.hub import registry
    from saymask.sparse.backends.select import training_precision
    from saymask.util.settings import override

    preset = override(registry.preset(job.preset), job.settings)
    precision = training_precision(preset.train.conv_precision)
    preset = replace(preset, train=replace(preset.train, conv_precision=precision))
    if preset.model.view.mix > 0 and preset.train.batch_size < 2:
        raise InputError(f"{job.name}: mixing needs train.batch_size >= 2 (scans of a batch are mixed), got 1")
    return preset


def fingerprint(job: Job) -> str:
    """Return the sha256 of all that decides the result of a job, by which results of two places can be compared.

    For a job that starts from a pre-training these are also its weights, as they are now (or are not yet).
    """
    from saymask.util.settings import to_json

    preset = resolved(job)
    values = {
        "config": to_json(replace(preset, train=replace(preset.train, workers=0))),
        "data": _data(job),
        "start": _weights(job.start) if job.start else "",
        "max_steps": job.max_steps,
        "limit": job.limit,
        "devices": job.devices,
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _weights(folder: str) -> str:
    """Return the sha256 of the last weights of a run as its card has it; empty without any."""
    card = Path(folder) / "last.json"
    return _read(card)["sha256"] if card.is_file() else ""


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def known_result(job: Job) -> dict[str, Any] | None:
    """Return the result of a job that is done already, if settings, data, start and weights are still the same.

    A setting that did not exist yet when the run was made has the effect of its default.
    """
    folder = Path(job.folder)
    if not all((folder / name).is_file() for name in ("result.json", "config.json")):
        return None
    result, config = _read(folder / "result.json"), _read(folder / "config.json")
    before = Job(**result["job"])
    same = (
        result["weights"] == _weights(job.folder)
        and (before.limit, before.max_steps, before.devices) == (job.limit, job.max_steps, job.devices)
        and (not job.start or _began_from(folder) == _weights(job.start))
        and config["data_sha256"] == _data(job)
        and not changed_settings(config, resolved(job))
    )
    return result if same else None


def _data(job: Job) -> str:
    """Return what `saymask.training.run` notes as the fingerprint of the data of a run on scans alone."""
    from saymask.data.samples.scans import chosen_scenes

    digest, scenes = hashlib.sha256((Path(job.data) / "manifest.json").read_bytes()), resolved(job).train.scenes
    if scenes:
        digest.update("\n".join(chosen_scenes(job.data, "train", scenes)).encode())
    return digest.hexdigest()


def changed_settings(config: Mapping[str, Any], preset: Preset) -> list[str]:
    """Return the names of the settings that a run's config.json has other than the preset has now, without those that
    do not decide the result."""
    from saymask.util.settings import to_json

    changed = []
    for part in ("model", "train"):
        now = getattr(preset, part)
        default = _flat(to_json(type(now)()), f"{part}.")
        before, after = _flat(config[part], f"{part}."), _flat(to_json(now), f"{part}.")
        changed += [k for k in before | after if before.get(k, default.get(k)) != after.get(k) and k not in FREE]
    return changed


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def work(job: Job) -> None:
    """Train and measure one job; called in a process of its own."""
    from saymask.training.run import train
    from saymask.util.cores import end_with_parent

    end_with_parent()
    if known_result(job) is not None:
        return
    folder = Path(job.folder)
    _check_start(job, folder)
    train(
        job.preset, job.data, folder, overrides=job.settings, devices=job.devices, max_steps=job.max_steps,
    )  # fmt: skip
    card = _read(folder / "last.json")
    result = {
        "job": asdict(job),
        "fingerprint": fingerprint(job),
        "weights": card["sha256"],
        "steps": card["training"]["steps"],
        "samples": card["training"]["samples"],
        "seconds": card["training"]["seconds"],
        "accelerator": card["training"]["accelerator"],
        **measure(folder / "last.safetensors", job.data, job.limit),
    }
    write_text(folder / "result.json", json.dumps(result) + "\n")


def _check_start(job: Job, folder: Path) -> None:
    """Note what a run starts from; refuse to go on with one that began from other weights than are there now."""
    if not job.start:
        return
    now = _weights(job.start)
    if not (folder / "state.pt").is_file():
        write_text(folder / "start.json", json.dumps({"weights": now}) + "\n")
    elif (before := _began_from(folder)) != now:
        raise InputError(
            f"{folder} began from weights {before[:12] or 'unknown'} of {job.start}, which has {now[:12]} now: delete "
            "the folder to fine-tune again"
        )


def _began_from(folder: Path) -> str:
    """Return the sha256 of the weights that a run began from; empty when it was not noted."""
    note = folder / "start.json"
    return _read(note)["weights"] if note.is_file() else ""


def measure(checkpoint: Path, data: str, limit: int) -> dict[str, Any]:
    """Return {"metrics", "scans": {name: what `pack_counts` returns}} of a checkpoint on the validation scans."""
    from benchmarks.long_tail_results import pack_counts
    from saymask.evaluation.items import load_items
    from saymask.evaluation.measure import Wanted, measure_tasks
    from saymask.evaluation.request import Request
    from saymask.evaluation.tasks.table import TASKS
    from saymask.hub import checkpoints
    from saymask.metrics.semantic import SemanticMetric

    model = checkpoints.load_model(checkpoint)
    items = load_items(Request(Path(data), task="semantic", limit=limit or None))
    wanted = Wanted(TASKS["semantic"], PROTOCOL)
    metric = measure_tasks(model, items, items.names, [wanted])[wanted.key]
    assert isinstance(metric, SemanticMetric)
    scans = {}
    for name, record in metric.records.items():
        one = SemanticMetric(PROTOCOL)
        one.merge({name: record})
        scans[name] = pack_counts(one.confusion())
    return {"metrics": metric.compute(), "scans": scans}
