"""Asking a model about a scan: what the commands refer, find, click and segment have in common."""

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saymask.cli.options import PromptOptions
from saymask.cli.report import Row, rows_of
from saymask.cli.sources import find_sources
from saymask.cli.stages import Stages

if TYPE_CHECKING:
    from saymask.masks import Masks
    from saymask.models.base import Model
    from saymask.scan import Scan
    from saymask.scene.scene import Scene


@dataclass(frozen=True)
class Prompt:
    """Question of one command to a scene, and the wording of its answer."""

    verb: str
    """One of `saymask.models.base.VERBS`."""
    asked: dict[str, Any]
    """The question in the JSON object."""
    answer: Callable[["Scene"], "Masks"]
    lines: Callable[["Masks", list[Row]], Iterable[str]]
    """The answer for people; row i describes mask i."""
    title: str = ""
    """Caption of the picture; the scan's name without it."""


@dataclass(frozen=True)
class Pictures:
    """Frames of a scan, of which 2D features are made."""

    frames: Path
    encoder: Path | None
    """Folder with the image model; found by its name without it."""
    every: int


@dataclass(frozen=True)
class Answered:
    """What a model said about a scan: masks per prompt."""

    scan: "Scan"
    masks: list["Masks"]
    caution: str
    """What to bear in mind of the answers; may be empty."""


class Asker:
    """A model that is loaded once and asked the same prompts about one or more scans."""

    def __init__(
        self,
        model: str,
        prompts: Sequence[Prompt],
        options: PromptOptions,
        pictures: Pictures | None,
        stages: Stages,
        first: Path,
    ) -> None:
        """Load the model by name or path; InputError for what it cannot answer, before `first` or any scan is read."""
        self.prompts, self._options, self._pictures = prompts, options, pictures
        with stages("model"):
            from saymask.hub import checkpoints
            from saymask.scene.verbs import check_verb

            self.model: Model = checkpoints.load_model(model, device=options.device, text_encoder=options.text_encoder)
            check_verb(self.model, prompts[0].verb)
            self.check(first)
            if pictures is not None:
                from saymask.nn.clip_image import find_image_weights

                find_image_weights(str(pictures.encoder or self.model.image_features))
            self.model.get_ready(prompts[0].verb)

    def check(self, path: Path) -> None:
        """Raise InputError for a scan without the 2D features that the model takes, before it is read."""
        from saymask.scene.inputs import PREPARED, check_images

        check_images(self.model, given=path.suffix == PREPARED, frames=self._pictures is not None)

    def answer(self, path: Path, stages: Stages, check: Callable[["Scan"], None] = lambda scan: None) -> Answered:
        """Return the answers about the scan at `path`; `check` may refuse it by InputError before it is encoded."""
        from saymask.scene.inputs import load_for, with_frames

        self.check(path)
        options, pictures = self._options, self._pictures
        with stages("load"):
            scan = load_for(self.model, path, unit=options.unit, up=options.up)
        check(scan)
        if pictures is not None:
            with stages("frames"):
                scan = with_frames(
                    scan, self.model, pictures.frames, image_encoder=pictures.encoder, every=pictures.every,
                    done=frame_done, say=say_of_frames,
                )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said in a line of our own
            scene = self.model.encode(scan, adapt=options.adapt, progress=stages.begin)
        stages.begin(self.prompts[0].verb)
        masks = [prompt.answer(scene) for prompt in self.prompts]
        stages.seconds.update(scene.seconds)
        return Answered(scan, masks, scene.caution)


def ask(path: Path, prompts: Sequence[Prompt], options: PromptOptions, pictures: Pictures | None = None) -> int:
    """Load the model, answer about the scan or the scans at `path`, save, draw and report; return the exit code."""
    sources = find_sources(path)
    options.check_outputs(several=sources.several or len(prompts) > 1)
    model = check(sources.paths[0], prompts[0].verb, options, several=sources.several)
    stages = Stages()
    asker = Asker(model, prompts, options, pictures, stages, sources.paths[0])
    if sources.several or len(prompts) > 1:
        from saymask.cli.batch import ask_all

        return ask_all(asker, sources, options, stages)
    return _ask_one(asker, path, options, stages)


def _ask_one(asker: Asker, path: Path, options: PromptOptions, stages: Stages) -> int:
    (prompt,) = asker.prompts

    def writable(scan: "Scan") -> None:
        if options.out is not None:
            from saymask.io.save import check_out

            check_out(scan, options.out)

    answered = asker.answer(path, stages, writable)
    (masks,) = answered.masks
    if options.out is not None:
        with stages("save"):
            masks.save(options.out)
    if options.picture is not None:
        with stages("picture"):
            from saymask.render.picture import render

            render(answered.scan, masks, options.picture, title=prompt.title)
    stages.clear()
    rows = rows_of(masks)
    if options.json_:
        report = report_of(path, asker, answered.scan) | answer_of(prompt, masks, rows)
        print(json.dumps({**report, "seconds": rounded(stages.seconds)}))
        return 0
    for text in prompt.lines(masks, rows):
        print(text)
    print(f"model  {asker.model.title}" + (f"  ({answered.caution})" if answered.caution else ""), file=sys.stderr)
    print(stages.summary(), file=sys.stderr)
    return 0


def check(path: Path, verb: str, options: PromptOptions, *, several: bool = False) -> str:
    """Return the name or path of the model to ask; InputError, before torch is loaded, for what cannot be used.

    several: `path` is one of several scans, of which each is looked at when its turn comes.
    """
    from saymask.data.scenes import read_scene_info
    from saymask.hub.headers import check_answers, default_for, find_checkpoint
    from saymask.io.load import check_path

    if not several:
        if path.suffix == ".safetensors" and path.is_file():  # a prepared scene
            read_scene_info(path)
        else:
            check_path(path)
    # One verb needs one checkpoint, not all that the default loads.
    model = default_for(verb) if options.model is None else options.model
    check_answers(find_checkpoint(model), verb)
    return model


def report_of(path: Path, asker: Asker, scan: "Scan") -> Row:
    """Return what the JSON object says about a scan whatever was asked."""
    return {"scan": str(path), "model": asker.model.title, "points": scan.n_original}


def answer_of(prompt: Prompt, masks: "Masks", rows: list[Row]) -> Row:
    """Return what the JSON object says about one question."""
    return {**prompt.asked, "masks": rows, "message": masks.message}


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """Return seconds with as many places as mean something."""
    return {stage: round(value, 4) for stage, value in seconds.items()}


def frame_done(frame: int, total: int) -> None:
    """Show how many frames are done where standard error is a terminal."""
    if sys.stderr.isatty():
        print(f"\rframe {frame:,} of {total:,}", end="\n" if frame == total else "", file=sys.stderr, flush=True)


def say_of_frames(message: str) -> None:
    """Say what was noticed in the frames, on standard error."""
    print(f"frames: {message}", file=sys.stderr)
