"""A model that is measured scene by scene, in this process or by several that each load it."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from saymask.errors import InputError
from saymask.hub import checkpoints, registry
from saymask.models.base import Model
from saymask.util.cores import end_with_parent, environment_for, limit_threads, worker_died
from saymask.util.progress import bars
from saymask.util.temporaries import temporary_folder


class Loaded:
    """A model to measure: in this process, or by other processes that each `load` it (with a device)."""

    def __init__(self, model: Model, device: str, processes: int, load: Callable[..., Model] | None = None) -> None:
        self.name, self.verbs = model.title, model.verbs
        self.image_features, self.stretched_images = model.image_features, model.stretched_images
        self.model = model if load is None else None
        self.device, self.processes, self.load = device, processes, load

    def each_scene(
        self, scenes: Iterable[str], make: Callable[..., Callable[[str], Any]], arguments: tuple[Any, ...]
    ) -> Iterator[tuple[str, Any]]:
        """Yield (scene, job(scene)) with job = make(model, *arguments), made once per process.

        Several processes finish scenes in any order. `make` is a function of a module, since other processes import it;
        arguments and results are sent to them and back.
        """
        if self.model is not None:
            job = make(self.model, *arguments)
            yield from ((scene, job(scene)) for scene in scenes)
            return
        assert self.load is not None
        # Spawned, not forked: a process that has run OpenMP or CUDA cannot be forked safely.
        context = multiprocessing.get_context("spawn")
        registered = dict(registry.SYSTEMS), dict(registry.PRESETS)
        start = (context.Value("i", 0), self.load, self.device, self.processes, make, arguments, registered)
        with ProcessPoolExecutor(self.processes, context, initializer=_start_worker, initargs=start) as pool:
            try:
                with environment_for(self.processes):
                    futures = {pool.submit(_run_job, scene): scene for scene in scenes}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BrokenProcessPool:
                raise worker_died(self.processes, "nothing of this one is kept") from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


@contextmanager
def loaded(
    model: Model | str | Path | None,
    device: str,
    processes: int,
    text_encoder: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Loaded]:
    """Yield a Model, a checkpoint or the embedded default (None), ready to be measured; its mode is put back after.

    text_encoder: folder of the model's text encoder; settings: changes of the configuration, as in `load_model`.

    Raises InputError for a checkpoint or model that cannot be used, before any other process starts.
    """
    if isinstance(model, Model):
        if settings:
            raise InputError(
                "settings: expected a checkpoint whose settings are changed, got a model; build it with them"
            )
        if processes > 1 and "preset" not in model.card:
            raise InputError(
                f"processes: expected 1 for a model without a preset, which other processes cannot load, got "
                f"{processes}; make it with saymask.hub.registry.build or load_model"
            )
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            if processes == 1:
                yield Loaded(model, device, 1)
            else:
                with temporary_folder() as folder:
                    file = checkpoints.save_checkpoint(model, folder / "model.safetensors")
                    encoder = text_encoder or checkpoints.encoder_folder(model)
                    load = partial(checkpoints.load_model, str(file), text_encoder=encoder)
                    yield Loaded(model, device, processes, load)
        finally:
            for module, mode in modes:
                module.training = mode
        return
    # Also with several processes: what is wrong with the checkpoint is said here, once.
    load = partial(checkpoints.load_model, text_encoder=text_encoder, settings=settings)
    own = load(model, device=device if processes == 1 else "cpu")
    load = partial(load, own.card["path"])
    yield Loaded(own, device, processes, None if processes == 1 else load)


_job: Callable[[str], Any] | None = None


def _start_worker(
    counter: Any,
    load: Callable[..., Model],
    device: str,
    processes: int,
    make: Callable[..., Callable[[str], Any]],
    arguments: tuple[Any, ...],
    registered: tuple[dict[str, str], dict[str, str]],
) -> None:
    global _job
    with counter.get_lock():
        number, counter.value = counter.value, counter.value + 1
    registry.SYSTEMS.update(registered[0])
    registry.PRESETS.update(registered[1])
    limit_threads(processes)
    end_with_parent()
    if device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{number % torch.cuda.device_count()}"
    _job = make(load(device=device), *arguments)


def _run_job(scene: str) -> Any:
    assert _job is not None
    return _job(scene)


@contextmanager
def progress_bar(title: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, where that is a terminal; yield the function that moves it on by a count."""
    with bars("", quiet=quiet or not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=total)

        def advance(count: int) -> None:
            progress.advance(task, count)

        yield advance
