"""Train a preset on prepared data: `train` checks everything first, starts the processes, and returns the card."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from saymask.convert.start import start_from
from saymask.data.annotations import SOURCES
from saymask.data.image_store import check_image_features
from saymask.data.samples.order import BatchOrder, TrainingItems, drop_missing, drop_unknown, keep_scenes
from saymask.data.samples.scans import ScanDataset, chosen_scenes, parts_of
from saymask.data.samples.sentences import ReferDataset, annotation_path, sources_of
from saymask.data.scenes import read_manifest, scene_path
from saymask.errors import InputError
from saymask.hub import checkpoints, headers, registry
from saymask.models.base import Model, Preset, TrainConfig
from saymask.sparse.backends.precision import set_precision
from saymask.sparse.backends.select import training_precision
from saymask.training.loggers import Tracker, check_trackers, loggers
from saymask.training.processes import accelerator_for, bare, spawn, started_outside, this_rank, world_size
from saymask.training.progress import ProgressLine, quieten
from saymask.training.validation import check_task, headline, validation
from saymask.util.cores import end_with_parent, kernels_have_run, limit_threads, set_threads, shorten_socket_paths
from saymask.util.files import check_writable, write_text
from saymask.util.locks import hold_folder
from saymask.util.settings import override, to_json

# Settings that may differ when a run is resumed: they do not change what a step computes.
_FREE = {"data", "train.workers", "train.evaluate_every", "train.evaluate_last", "train.max_val", "train.protocol"}
# Those may differ as well in schedules whose learning rate depends on the length of the run at its end or not at all.
_LENGTH = {"train.epochs", "max_steps"}
_OF_ANY_LENGTH = ("epoch-decay", "multi-step", "trapezoid")


@dataclass(frozen=True)
class Job:
    """All that a training process needs to know; the same on every process."""

    preset: Preset
    data: Path
    out: Path
    devices: int
    accelerator: str
    max_steps: int
    max_minutes: float
    save_minutes: float
    save_steps: int
    log_every: int
    log_to: tuple[Tracker, ...]
    quiet: bool
    systems: dict[str, str]
    presets: dict[str, str]


def train(
    preset: str | Preset,
    data: str | Path,
    out: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = True,
    devices: int = 1,
    accelerator: str = "auto",
    max_steps: int = 0,
    max_minutes: float = 0.0,
    save_minutes: float = 10.0,
    save_steps: int = 0,
    log_every: int = 10,
    log_to: Sequence[Tracker] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Train `preset` on the prepared folder `data` and return the card of the best checkpoint.

    `out` gets config.json, metrics.csv, tensorboard/, state.pt (what a run is resumed from; written every
    `save_minutes`, every `save_steps`, and after each epoch), last.safetensors and, by the validation metric (the
    headline number of the preset's task and protocol, such as mIoU), best.safetensors. A run that was stopped goes on
    where its state was saved and ends with the same weights as one that was not; `resume=False` begins anew.
    `overrides` changes settings by name (`train.lr`). `devices` processes (CPU) or GPUs share each step's samples;
    under torchrun or SLURM the processes that these started are used. `max_steps` and `max_minutes` end earlier (0 =
    never). `log_to`: Weights & Biases ("wandb") and MLflow ("mlflow"), beside metrics.csv and TensorBoard.

    Raises InputError when data, settings or the output folder cannot be used, before any work is done, and when 20
    steps in a row have no finite gradient.
    """
    chosen = registry.preset(preset) if isinstance(preset, str) else preset
    if overrides:
        chosen = override(chosen, {k if "." in k else f"train.{k}": v for k, v in overrides.items()})
    if chosen.system in registry.SYSTEMS:
        chosen = replace(chosen, model=registry.system_class(chosen.system).settled(chosen.model))
    # Decided here: a resumed run goes on as it began.
    precision = training_precision(chosen.train.conv_precision)
    chosen = replace(chosen, train=replace(chosen.train, conv_precision=precision))
    job = Job(
        chosen, Path(data).absolute(), Path(out).absolute(), devices, accelerator_for(accelerator, devices),
        max_steps, max_minutes, save_minutes, save_steps, log_every, tuple(log_to), quiet,
        dict(registry.SYSTEMS), dict(registry.PRESETS),
    )  # fmt: skip
    _check(job)
    busy = f"another process trains in {job.out}; wait for it or choose another folder"
    with hold_folder(job.out, busy) if this_rank() == 0 else nullcontext():
        if this_rank() == 0:
            _begin(job, resume)
        if devices == 1 or started_outside():
            run(job)
        else:
            spawn(run, job, devices)
    name = "best" if (job.out / "best.safetensors").is_file() else "last"
    return json.loads((job.out / f"{name}.json").read_text(encoding="utf-8"))


def run(job: Job) -> None:
    """Train in this process: the only one, or one of several that torch.distributed joins."""
    registry.SYSTEMS.update(job.systems)
    registry.PRESETS.update(job.presets)
    # Late: Lightning takes seconds to import.
    import lightning.pytorch as pl
    from lightning.pytorch.strategies import DDPStrategy

    from saymask.training.callbacks import RunCallback
    from saymask.training.module import Learner

    quieten()
    config = job.preset.train
    rank, world = this_rank(), world_size(job.devices)
    cpu = job.accelerator == "cpu"
    set_precision(config.conv_precision, config.matmul_precision)
    if cpu:
        limit_threads(world)
    line = ProgressLine(job.preset.name, quiet=job.quiet or rank > 0)
    torch.manual_seed(config.seed)
    model = registry.build(job.preset)
    items = _training_data(job, model, line)
    scans = [] if config.sentences else chosen_scenes(job.data, config.split, config.scenes)
    samples = TrainingItems(items, config.sentences, (s for s in scans if scene_path(job.data, s).is_file()))
    order = BatchOrder(
        len(samples), batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, rank=rank, world=world,
        max_steps=job.max_steps, accumulate=config.accumulate, drop_last=config.drop_last,
    )  # fmt: skip
    _say_batch(job, order, line)
    learner = Learner(model, config, order)
    best_by = headline(config)
    callback = RunCallback(
        job.out, order, validate=validation(job.data, config, line.say, rank=rank, world=world), headline=best_by,
        card=functools.partial(_card, job, len(items), order), line=line, save_minutes=job.save_minutes,
        save_steps=job.save_steps, max_minutes=job.max_minutes, log_every=job.log_every,
    )  # fmt: skip
    if config.init and not callback.state_file.is_file():
        line.say(start_from(model, config.init, config.init_except))
    # Before the loading processes are started: they run the model's `prepare`, which may need what is counted here.
    model.begin_training(job.data, samples.scenes, line.say)
    if callback.resume(learner):
        line.say(f"going on at step {order.start} of {order.total}")
        if not len(order):
            return
    else:
        learner.start_average()
    learner.train()
    workers = _workers(config, line)
    shorten_socket_paths()
    loader = torch.utils.data.DataLoader(
        samples, batch_sampler=order, num_workers=workers, collate_fn=model.collate,  # type: ignore[arg-type]
        worker_init_fn=_one_thread, pin_memory=not cpu, prefetch_factor=4 if workers else None,
    )  # fmt: skip
    strategy: Any = "auto"
    if world > 1:
        # Not every weight takes part in every step; running statistics are those of the first process
        # (docs/systems/less.md §5).
        strategy = DDPStrategy(
            find_unused_parameters=True, broadcast_buffers=False, process_group_backend="gloo" if cpu else None
        )
    trainer = pl.Trainer(
        accelerator=job.accelerator, devices=job.devices, num_nodes=max(1, world // job.devices), strategy=strategy,
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=config.clip or None, accumulate_grad_batches=config.accumulate, max_epochs=1,
        limit_val_batches=0, num_sanity_val_steps=0,
        use_distributed_sampler=False, sync_batchnorm=world > 1 and not cpu, callbacks=[callback],
        logger=loggers(job.out, order.start, job.log_to) if rank == 0 else False, default_root_dir=job.out,
        log_every_n_steps=1, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    try:
        trainer.fit(learner, loader)
    except InputError as error:
        raise bare(error) from None
    if world > 1:
        # A process that ends while another still talks to it would abort.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    at = learner.at
    best = f", best {100 * at.best:.2f} {best_by[1]} at step {at.best_step}" if at.best is not None else ""
    line.say(f"{at.step} of {order.total} steps done in {at.seconds / 60:.1f} min{best}; see {job.out}")


def _check(job: Job) -> None:
    """Say what is wrong before any work is done."""
    if job.devices < 1 or job.max_steps < 0 or job.max_minutes < 0:
        raise InputError(f"expected devices >= 1, max_steps >= 0 and max_minutes >= 0, got {job.devices}, "
                         f"{job.max_steps} and {job.max_minutes}")  # fmt: skip
    config = job.preset.train
    positive = ("epochs", "batch_size", "accumulate", "evaluate_every", "evaluate_last")
    others = ("sentences", "workers", "max_val")
    for names, least in ((positive, 1), (others, 0)):
        for name in names:
            if getattr(config, name) < least:
                raise InputError(f"train.{name}: expected {least} or more, got {getattr(config, name)}")
    for name, more in (("conv_precision", "auto, "), ("matmul_precision", "")):
        if getattr(config, name) not in ("ieee", "bf16"):
            raise InputError(f"train.{name}: expected {more}ieee or bf16, got {getattr(config, name)!r}")
    if config.split not in ("train", "trainval"):
        raise InputError(f"train.split: expected train or trainval, got {config.split!r}")
    check_task(job.preset)
    read_manifest(job.data)
    for path in _annotations(job):
        if not path.is_file():
            raise InputError(
                f"{job.data}: expected {path.name} with sentences to train on; prepare the {config.split} split"
            )
    if config.scenes or config.source == "scans":
        chosen_scenes(job.data, config.split, config.scenes)
    if name := getattr(job.preset.model, "image_features", ""):
        scenes = [s for s in chosen_scenes(job.data, config.split, config.scenes) if scene_path(job.data, s).is_file()]
        check_image_features(job.data, scenes, name, stretched=job.preset.model.stretched_images)
    if config.init:
        headers.find_checkpoint(config.init)
    check_writable(job.out / "state.pt")
    for module, need in (("lightning", "training"), ("tensorboard", "logging")):
        try:
            __import__(module)
        except ImportError:
            raise InputError(f"{need} needs {module}: pip install 'saymask[train]'") from None
    check_trackers(job.log_to)
    from saymask.training.schedules import check_settings

    check_settings(config)


def _sources(config: TrainConfig) -> tuple[str, ...]:
    """Return the sources of the sentences to train on; none for scans alone."""
    if config.source not in (*SOURCES, "both", "scans"):
        raise InputError(f"train.source: expected {', '.join(SOURCES)}, both or scans, got {config.source!r}")
    return () if config.source == "scans" else sources_of(config.source)


def _annotations(job: Job) -> list[Path]:
    """Return the files of the sentences that are trained on."""
    config = job.preset.train
    return [annotation_path(job.data, s, part) for s in _sources(config) for part in parts_of(config.split)]


def _training_data(job: Job, model: Model, line: ProgressLine) -> ReferDataset | ScanDataset:
    """Return the scans, or the sentences about the scans, that are trained on."""
    config = job.preset.train
    if config.source == "scans":
        scans = ScanDataset(
            job.data, config.split, scenes=config.scenes, prepare=model.training_sample, training=True,
            seed=config.seed, image_features=model.image_features, stretched=model.stretched_images,
        )  # fmt: skip
        drop_missing(scans, line.say)
        return scans
    items = ReferDataset(
        job.data, config.split, source=config.source, prepare=model.training_sample, training=True, seed=config.seed,
        image_features=model.image_features, stretched=model.stretched_images,
    )  # fmt: skip
    if config.scenes:
        keep_scenes(items, chosen_scenes(job.data, config.split, config.scenes))
    drop_unknown(items, line.say)
    return items


def _begin(job: Job, resume: bool) -> None:
    """Write config.json, or make sure that a run found in `out` is the one that is asked for."""
    recorded = job.out / "config.json"
    config = {
        "preset": job.preset.name,
        "system": job.preset.system,
        "model": to_json(job.preset.model),
        "train": to_json(job.preset.train),
        "data": str(job.data),
        "data_sha256": _data_sha(job),
        "processes": world_size(job.devices),
        "max_steps": job.max_steps,
    }
    free = _FREE | (_LENGTH if job.preset.train.schedule in _OF_ANY_LENGTH else set())
    if not resume:
        old = ("state.pt", "metrics.csv", "best.safetensors", "best.json", "last.safetensors", "last.json")
        for name in old:
            (job.out / name).unlink(missing_ok=True)
    elif (job.out / "state.pt").is_file() and recorded.is_file():
        old_config = json.loads(recorded.read_text(encoding="utf-8"))
        # A setting that did not exist when the run began, in a group of settings too, has the effect of its default.
        defaults = {"train": to_json(TrainConfig()), "model": to_json(type(job.preset.model)())}
        before, now = _flat(defaults) | _flat(old_config), _flat(config)
        changed = [k for k in before | now if before.get(k) != now.get(k) and k not in free]
        if changed:
            listed = "; ".join(f"{k} was {before.get(k)!r}, now {now.get(k)!r}" for k in changed[:5])
            raise InputError(
                f"{job.out} holds a run with other settings ({listed}): choose another folder, ask for the same "
                "settings, or begin anew with --restart (resume=False)"
            )
    write_text(recorded, json.dumps(config, indent=2) + "\n")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def _say_batch(job: Job, order: BatchOrder, line: ProgressLine) -> None:
    """Say how many samples a step has; and that results may differ where the published training has others."""
    factors = f"{order.batch_size} x {order.accumulate} passes x {order.world} processes"
    published = job.preset.published_batch
    if not published:
        line.say(f"{order.per_step} samples per step ({factors})")
    elif order.per_step == published:
        line.say(f"{order.per_step} samples per step ({factors}), as published")
    else:
        line.say(
            f"WARNING: {order.per_step} samples per step ({factors}), published {published}: the same learning rate "
            "may not give the published results; set train.batch_size, train.accumulate or --devices"
        )


def _workers(config: TrainConfig, line: ProgressLine) -> int:
    """Return the number of loading processes; none where forking this process would not be safe."""
    if config.workers and kernels_have_run():
        # Threads do not survive a fork: a worker that used them would be ended by the OpenMP runtime.
        line.say("scans are loaded in the training process: parallel kernels have already run in it")
        return 0
    return config.workers


def _one_thread(worker: int) -> None:
    """Loading processes share the cores with the training, one thread each, and end with it however it ends."""
    set_threads(1)
    end_with_parent()


def _card(job: Job, count: int, order: BatchOrder, at: Any, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the card of a checkpoint made now; `metrics` are those of its weights, if they were measured."""
    manifest, config = read_manifest(job.data), job.preset.train
    first: dict[str, Any] = {}
    if metrics:
        key, title = headline(config)
        first = {title: round(100 * metrics["overall"][key], 2), "protocol": config.protocol}
    return {
        "data": str(manifest.get("name") or job.data.name),
        "data_sha256": _data_sha(job),
        "source": config.source,
        "headline": first,
        "metrics": metrics,
        "protocol": config.protocol,
        "licence": "Apache-2.0",
        "preprocessing": checkpoints.portable_settings(job.preset.model),
        "training": {
            "scans" if config.source == "scans" else "annotations": count,
            "samples": order.seen(at.step),
            "steps": at.step,
            "seconds": round(at.seconds, 1),
            "processes": order.world,
            **({"scans_left_out": at.left_out} if at.left_out else {}),
            "accelerator": job.accelerator,
            "skipped_steps": at.skipped,
            # A card travels: it names files, not where they lay.
            "config": to_json(replace(config, init=Path(config.init).name, scenes=Path(config.scenes).name)),
        },
    }


def _data_sha(job: Job) -> str:
    """Return the sha256 over the manifest, the sentences that are trained on and, if some are chosen, the scans."""
    config, digest = job.preset.train, hashlib.sha256()
    for path in (job.data / "manifest.json", *_annotations(job)):
        digest.update(path.read_bytes())
    if config.scenes:
        digest.update("\n".join(chosen_scenes(job.data, config.split, config.scenes)).encode())
    return digest.hexdigest()


__all__ = ["Job", "run", "train"]
