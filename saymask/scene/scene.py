"""A scan encoded by a model: the slow step, done once; every prompt after it is cheap."""

import threading
import time
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import torch

from saymask.answers import Objects, Prediction
from saymask.errors import InputError
from saymask.hub.headers import caution
from saymask.masks import Masks
from saymask.models.base import Model
from saymask.models.contract import AnswersClick, AnswersRefer
from saymask.scan import Scan
from saymask.scene.clicks import Clicks, NearestPoint, Places, check_clicks
from saymask.scene.inputs import check_images, load_for, with_frames
from saymask.scene.to_masks import class_masks, click_masks, combine_clicks, found_masks, object_masks, to_masks
from saymask.scene.verbs import require
from saymask.util.cache import AnswerCache
from saymask.util.words import check_names, check_sentence, check_threshold

if TYPE_CHECKING:
    from saymask.scene.open_vocabulary import Views

Answer = TypeVar("Answer", Masks, Prediction)
Count = Literal["one", "any"]


class Scene:
    """A scan encoded by a model, ready for prompts.

    `seconds` holds what each stage took: `superpoints` (only for models that predict on them), `adapt` (the scan's norm
    statistics, where they are used), `prepare` (the model's view of the scan), `encode`, and the time of the latest
    prompt under its verb (`refer`, `find`, …). Several threads may prompt one scene.

    The latest answers are kept (256 of them, 256 MiB at most): asking the same again costs nothing, and of a list of
    sentences or clicks the model sees only the new ones. Every answer is the caller's own, except for `Masks.index`,
    which is read-only. After a change to the model, `forget` what was kept.
    """

    def __init__(
        self, model: Model, scan: Scan, *, adapt: float | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        """Encode the scan; `adapt` 0..1 is the weight of its own norm statistics, None = the model's setting.

        `progress` is called with the name of each stage (see `seconds`) when it begins.
        """
        self._progress = progress
        self.model = model
        self.scan = scan
        self.seconds: dict[str, float] = {}
        self._recent: AnswerCache[Any] = AnswerCache()
        self._indices: list[np.ndarray] = []
        self._lock = threading.Lock()
        check_images(model, given=scan.image_features is not None, frames=False)
        self._nearest = NearestPoint(scan)
        with torch.inference_mode():
            self._adapt = adapt
            encoder, batch = self._batch()
            with self._timed("encode"):
                self._encoded = encoder.encode_batch(batch)
        self._progress = None

    def _batch(self) -> tuple[Model, Any]:
        """Return the model that encodes the scan, and the scan as it takes it."""
        model, scan = self.model, self.scan
        if model.uses_superpoints and scan.superpoints is None:
            with self._timed("superpoints"):
                from saymask.geometry.superpoints import superpoints_of

                scan = replace(scan, superpoints=superpoints_of(scan))
        encoder = model
        if model.adapt if self._adapt is None else self._adapt:
            with self._timed("adapt"):
                encoder = model.adapted(scan, self._adapt)
        with self._timed("prepare"):
            return encoder, model.collate([model.prepare(scan)]).to(model.device)

    def __repr__(self) -> str:
        name = self.model.card.get("name", self.model.system)
        return f"Scene({self.scan!r} encoded by {name}, answers {', '.join(sorted(self.model.verbs))})"

    @property
    def caution(self) -> str:
        """A warning about the answers: empty, or that a model of generated rooms sees another scan."""
        return "" if self.scan.is_generated else caution(self.model.card)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: model, scan and encoding, without the answers that were kept."""
        return {k: v for k, v in vars(self).items() if k not in ("_indices", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._indices, self._lock = [], threading.Lock()

    @overload
    def refer(self, sentences: str, *, count: Count | None = None) -> Masks: ...
    @overload
    def refer(self, sentences: list[str] | tuple[str, ...], *, count: Count | None = None) -> list[Masks]: ...
    def refer(self, sentences: str | Sequence[str], *, count: Count | None = None) -> Masks | list[Masks]:
        """Return the masks that a sentence means (a list of Masks for a list of sentences).

        No mask at all is an answer: `Masks.message` then says so. Sentences are read as running text, as people write.
        count: "one" for exactly one mask, "any" for one per object, which may be none; None = as the model was trained.
        Raises InputError for an empty or endless sentence and for a model that does not answer sentences.
        """
        able = require(self.model, "refer")
        single = isinstance(sentences, str)
        asked = [check_sentence(s) for s in ([sentences] if isinstance(sentences, str) else sentences)]
        if not asked:
            return []
        number = self.model.count if count is None else count
        if number not in ("one", "any"):
            raise InputError(f"count: expected one or any, got {number!r}")
        with torch.inference_mode(), self._timed("refer"):
            keys = [(sentence, number) for sentence in asked]
            results = self._masks("refer", keys, lambda new: self._refer(able, [s for s, _ in new], number))
        return results[0] if single else results

    def _refer(self, able: AnswersRefer, sentences: list[str], count: Count) -> list[Masks]:
        predictions = able.refer(self._encoded, sentences, count=count)
        return [to_masks(p, self.scan, sentence) for p, sentence in zip(predictions, sentences, strict=True)]

    def semantic(self, classes: str | Sequence[str] | None = None) -> Masks:
        """Return a mask for every class that occurs: disjoint, `labels` = class ids, scores = mean probability.

        classes: None for the model's own, the name of a label set (`scannet200`), or names of which every point gets
        the nearest in meaning (ids 1, 2, … in their order; models that know text only). Raises InputError for
        classes that the model cannot tell and for a model that does not answer this.
        """
        able = require(self.model, "semantic")
        asked = classes.strip() if isinstance(classes, str) else classes
        if asked == "":
            raise InputError("classes: expected a label set such as 'scannet200' or a list of names, got an empty text")
        if asked is not None and not isinstance(asked, str):
            asked = check_names(asked, "classes")

        def answer(_: object) -> list[Masks]:
            return [class_masks(able.semantic(self._encoded, classes=asked), self.scan)]

        with torch.inference_mode(), self._timed("semantic"):
            return self._masks("semantic", [tuple(asked) if isinstance(asked, list) else asked], answer)[0]

    def instances(self) -> Masks:
        """Return a mask for every object, best score first; `names` and `labels` are its class and class id.

        Raises InputError for a model that does not answer this.
        """
        able = require(self.model, "instances")
        with torch.inference_mode(), self._timed("instances"):
            return self._masks("instances", [None], lambda _: [self._objects(able.instances)])[0]

    def panoptic(self) -> Masks:
        """Return disjoint masks, best score first: one per object, and one for all of each class that has no objects.

        `names` and `labels` are class and class id. Raises InputError for a model that does not answer this.
        """
        able = require(self.model, "panoptic")
        with torch.inference_mode(), self._timed("panoptic"):
            return self._masks("panoptic", [None], lambda _: [self._objects(able.panoptic)])[0]

    def features(self) -> np.ndarray:
        """Return the model's features of every point of the file, float16 [N, C]; 0 for points that it does not see.

        Those that its heads and text comparisons start from, computed anew: takes as long as encoding. A model with
        text (`lground.pretrain`) gives them in the space of its text encoder, not normalised. Raises InputError for a
        model whose features depend on a sentence (LESS).
        """
        with torch.inference_mode(), self._timed("features"):
            encoder, batch = self._batch()
            rows, index = encoder.scan_features(batch)[0]
            limit = torch.finfo(torch.float16).max
            values = rows.clamp(-limit, limit).half().cpu().numpy()
        if self.scan.source is not None:
            index = np.append(index, -1)[self.scan.source.index]
        return np.concatenate([values, np.zeros_like(values[:1])])[index]  # row -1 is that of no support

    def _objects(self, verb: Callable[[Any], Objects]) -> Masks:
        return object_masks(verb(self._encoded), self.scan)

    def proposals(self) -> Masks:
        """Return whatever may be an object, best score first, each mask once and without a name.

        Those of the model where it has unnamed ones, else its instances. Raises InputError for a model without either.
        """
        from saymask.scene.open_vocabulary.views import unnamed

        if not self.model.has_proposals:
            return unnamed(self.instances())
        with torch.inference_mode(), self._timed("proposals"):
            return self._masks("proposals", [None], lambda _: [unnamed(self._objects(self.model.proposals))])[0]

    def find(
        self, names: str | Sequence[str], *, threshold: float | None = None, frames: "Views | None" = None
    ) -> Masks:
        """Return the objects that words name, any words; `names` is the word of each, `labels` its number from 1.

        threshold: relevance 0..1 from which something fits; None = the model's own. `Masks.message` says for which
        words nothing was found. With `frames`, the posed images of the scan, the `proposals` are named by what the
        images show, and any model that has some will do; the first question then takes long. Raises InputError for no,
        empty or doubled names, a threshold outside 0..1, and a model that does not answer this.
        """
        able = require(self.model, "find") if frames is None else None
        asked, threshold = check_names(names), check_threshold(threshold)

        def answer(_: object) -> list[Masks]:
            if frames is not None:
                return [frames.find(self, asked, threshold)]
            assert able is not None
            found = able.find(self._encoded, asked, threshold=threshold)
            return [found_masks(found, self.scan, self.model.find_threshold if threshold is None else threshold)]

        with torch.inference_mode(), self._timed("find"):
            # Kept for all words together: `labels` and `message` speak of all of them.
            return self._masks("find", [(tuple(asked), threshold, frames)], answer)[0]

    def click(
        self,
        points: Places,
        *,
        positive: bool | Sequence[bool] | np.ndarray | None = None,
        objects: int | Sequence[int] | np.ndarray | None = None,
    ) -> Masks:
        """Return one mask for each object that was clicked on, in ascending order of the objects' numbers.

        points: a place (x, y, z) or several, float [K, 3], metres, z up, in the frame of `scan.points`;
        each means its nearest point, at most 0.5 m away. positive: per click, or for all: whether the place belongs to
        the object, or must not; without it all do. objects: per click, or for all: the number, from 0, of the object
        that the click is about; without it each click is about an object of its own. `names` are `object 0`, ….

        Raises InputError for no click, places that are no three finite numbers, a click too far from the scan, an
        object without a positive click, a positive and a negative click on the same patch, and a model that does not
        answer this. Clicks do not see each other in the model; `to_masks.combine_clicks` says how they combine.
        """
        able = require(self.model, "click")
        prompt = check_clicks(points, positive, objects)
        with torch.inference_mode(), self._timed("click"):
            rows = self._nearest(prompt.places)
            single = self._remembered("click", rows.tolist(), lambda new: self._click(able, new))
            together = Prediction(
                torch.cat([p.logits for p in single]), torch.cat([p.scores for p in single]), single[0].index
            )
            combined = combine_clicks(together, rows, prompt.positive, prompt.objects)
            return click_masks(combined, self.scan, np.unique(prompt.objects).tolist())

    def _click(self, able: AnswersClick, points: list[int]) -> list[Prediction]:
        """Return what each point alone gives, float32 on the CPU."""
        answer = able.click(self._encoded, np.array(points, np.int64))
        logits, scores = answer.logits.detach().float().cpu(), answer.scores.detach().float().cpu()
        index = self._known(np.asarray(answer.index, np.int64))
        # Clones: a row must not keep all the others alive.
        return [Prediction(row[None].clone(), s[None].clone(), index) for row, s in zip(logits, scores, strict=True)]

    def clicks(self) -> Clicks:
        """Return a session to which clicks are added one by one, each answered with the masks of all of them.

        Raises InputError for a model that does not answer clicks.
        """
        require(self.model, "click")
        return Clicks(self)

    def show(self) -> None:
        """Open the page on the scene, to ask it there (`saymask view`; inside the cell of a notebook).

        A script waits until the page is closed. Raises InputError where viser is not installed (extra `view`).
        """
        from saymask.viewer.show import show  # against the stream, as `Masks.show`

        show(self.scan, scene=self)

    def forget(self) -> None:
        """Drop the answers that were kept: the next prompts ask the model again."""
        self._recent.clear()

    def _masks(self, verb: str, asked: list[Any], answer: Callable[[list[Any]], list[Masks]]) -> list[Masks]:
        """Return the caller's own masks for each question, of which `answer` gets those that are not known yet."""
        return [
            replace(
                masks,
                support=masks.support.copy(),
                scores=masks.scores.copy(),
                labels=None if masks.labels is None else masks.labels.copy(),
            )
            for masks in self._remembered(verb, asked, answer)
        ]

    def _remembered(
        self, verb: str, asked: Sequence[Hashable], answer: Callable[[list[Any]], list[Answer]]
    ) -> list[Answer]:
        """Return the answer to each question; `answer` gets those that are not known yet, each once."""
        found: dict[Hashable, Answer] = {}
        new: list[Hashable] = []
        for question in dict.fromkeys(asked):
            known = self._recent.get((verb, question))
            if known is None:
                new.append(question)
            else:
                found[question] = known
        if new:
            for question, made in zip(new, answer(new), strict=True):
                if isinstance(made, Masks):
                    made = replace(made, index=self._known(made.index))
                    size = made.support.nbytes + made.scores.nbytes
                else:
                    size = made.logits.nbytes
                found[question] = self._recent.put((verb, question), made, size)
        return [found[question] for question in asked]

    def _known(self, index: np.ndarray) -> np.ndarray:
        """Return a read-only index of these values, one and the same for all answers: it has an entry per point."""
        with self._lock:
            for known in self._indices:
                if np.array_equal(known, index):
                    return known
            view = index.view()
            view.flags.writeable = False
            self._indices = [*self._indices[-7:], view]
            return view

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        if self._progress is not None:
            self._progress(stage)
        yield
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)
        self.seconds[stage] = time.perf_counter() - start


__all__ = ["Scene", "require", "to_masks"]


def encode(
    model: Model,
    scan: Any,
    *,
    adapt: float | None = None,
    frames: str | Path | None = None,
    image_encoder: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Scene:
    """Return the scene of a scan, a file or a prepared scene; the rest is as `Model.encode` says.

    Warns (`UserWarning`, once) where `Scene.caution` has something to say.
    """
    if not isinstance(scan, Scan):
        scan = load_for(model, scan)
    if frames is not None:
        scan = with_frames(scan, model, frames, image_encoder=image_encoder)
    scene = Scene(model, scan, adapt=adapt, progress=progress)
    if scene.caution:
        warnings.warn(f"{model.title} was {scene.caution}", stacklevel=3)
    return scene
