"""A model, loaded once, and the prompts of one command that it is asked about scans."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saymask.cli.options import PromptOptions
from saymask.cli.report import Row
from saymask.cli.stages import Stages
from saymask.hub import registry

if TYPE_CHECKING:
    from saymask.masks import Masks
    from saymask.models.base import Model
    from saymask.render.labels import Click
    from saymask.scan import Scan
    from saymask.scene.scene import Scene


@dataclass(frozen=True)
class Prompt:
    """Question of one command to a scene, and the wording of its answer; all of it can be pickled."""

    verb: str
    """One of `saymask.answers.VERBS`."""
    asked: dict[str, Any]
    """The question in the JSON object."""
    answer: Callable[["Scene"], "Masks"]
    lines: Callable[["Masks", list[Row]], Iterable[str]]
    """The answer for people; row i describes mask i."""
    title: str = ""
    """Caption of the picture; the scan's name without it."""
    clicks: Sequence["Click"] = ()
    """Places in metres that were clicked, and whether they are on the object."""


@dataclass(frozen=True)
class Pictures:
    """Frames of a scan, of which 2D features are made."""

    frames: Path
    encoder: Path | None
    """Folder with the image model; found by its name without it."""
    every: int


@dataclass(frozen=True)
class Answered:
    """Answers of a model about a scan: masks per prompt."""

    scan: "Scan"
    masks: list["Masks"]
    caution: str
    """A warning about the answers; may be empty."""


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
        """Load the model by name or path; InputError for what it cannot answer, before `first` or any scan is read.

        Pickled it is what it was made of: where it arrives, the model is loaded again.
        """
        self._made_of = model, prompts, options, pictures, first
        self.source, self.prompts, self._options, self._pictures = model, prompts, options, pictures
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

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._made_of, dict(registry.SYSTEMS), dict(registry.PRESETS))

    def check(self, path: Path) -> None:
        """Raise InputError for a scan without the 2D features that the model takes, before it is read."""
        from saymask.scene.inputs import PREPARED, check_images

        check_images(self.model, given=path.suffix == PREPARED, frames=self._pictures is not None)

    def answer(self, path: Path, stages: Stages, check: Callable[["Scan"], None] = lambda scan: None) -> Answered:
        """Return the answers about the scan at `path`; `check` may refuse it by InputError before it is encoded."""
        from saymask.scene.inputs import load_for, with_frames
        from saymask.scene.scene import Scene

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
        # Not by `Model.encode`, which warns: the command says it in a line of its own.
        scene = Scene(self.model, scan, adapt=options.adapt, progress=stages.begin)
        stages.begin(self.prompts[0].verb)
        masks = [prompt.answer(scene) for prompt in self.prompts]
        stages.seconds.update(scene.seconds)
        return Answered(scan, masks, scene.caution)


def _arrived(made_of: tuple[Any, ...], systems: dict[str, str], presets: dict[str, str]) -> Asker:
    registry.SYSTEMS.update(systems)
    registry.PRESETS.update(presets)
    model, prompts, options, pictures, first = made_of
    return Asker(model, prompts, options, pictures, Stages(quiet=True), first)


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
