"""A scan encoded by a model: the slow step, done once; every prompt after it is cheap."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn, overload

import numpy as np
import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.models.base import VERBS, Model, Prediction
from saymask.scan import Scan
from saymask.text.encoder import check_sentence


class Scene:
    """A scan encoded by a model, ready for prompts.

    `seconds` holds what each stage took: `superpoints` (only for models that predict on them), `prepare` (the model's
    view of the scan), `encode`, and `refer`, the time of the latest prompt.
    """

    def __init__(self, model: Model, scan: Scan) -> None:
        self.model = model
        self.scan = scan
        self.seconds: dict[str, float] = {}
        with torch.inference_mode():
            prepared = scan
            if getattr(model, "uses_superpoints", False) and scan.superpoints is None:
                with self._timed("superpoints"):
                    from saymask.geometry.superpoints import superpoints_of

                    prepared = replace(scan, superpoints=superpoints_of(scan))
            with self._timed("prepare"):
                batch = model.collate([model.prepare(prepared)]).to(model.device)
            with self._timed("encode"):
                self._encoded = model.encode_batch(batch)

    @overload
    def refer(self, sentences: str) -> Masks: ...
    @overload
    def refer(self, sentences: Sequence[str]) -> list[Masks]: ...
    def refer(self, sentences: str | Sequence[str]) -> Masks | list[Masks]:
        """Return the masks that a sentence means (a list of Masks for a list of sentences).

        No mask at all is an answer: `Masks.message` then says so. Raises InputError for an empty or endless sentence
        and for a model that does not answer sentences.
        """
        self._require("refer")
        single = isinstance(sentences, str)
        asked = [check_sentence(s) for s in ([sentences] if isinstance(sentences, str) else sentences)]
        if not asked:
            return []
        with torch.inference_mode(), self._timed("refer"):
            predictions: list[Prediction] = self.model.refer(self._encoded, asked)  # type: ignore[attr-defined]
            results = [to_masks(p, self.scan, sentence) for p, sentence in zip(predictions, asked, strict=True)]
        return results[0] if single else results

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        # Only reached for names that are no method: a verb, when called, says who answers it.
        if name not in VERBS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def unanswered(*_: Any, **__: Any) -> NoReturn:
            raise self._cannot(name)

        return unanswered

    def _require(self, verb: str) -> None:
        if verb not in self.model.verbs:
            raise self._cannot(verb)

    def _cannot(self, verb: str) -> InputError:
        """Return the error that says what this model answers and which presets answer `verb`."""
        from saymask import hub

        able = sorted({name for name in hub.PRESETS if verb in _verbs(name)})
        own = self.model.card.get("name", self.model.system) if hasattr(self.model, "card") else self.model.system
        use = f"for {verb} use {', '.join(able)}" if able else f"no model of this version answers {verb}"
        return InputError(f"{own} answers {', '.join(self.model.verbs)}, not {verb}; {use}")

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)
        self.seconds[stage] = time.perf_counter() - start


def to_masks(prediction: Prediction, scan: Scan, sentence: str, *, threshold: float = 0.0) -> Masks:
    """Turn a prediction into Masks: bits where the logit is > 0, empty masks dropped, best score first.

    `threshold`: masks with a score below it are dropped as well. A mask is empty when no *point* of the scan lies in
    it; support rows without a point do not count.
    """
    bits = _numpy(prediction.logits) > 0
    scores = _numpy(prediction.scores).astype(np.float32)
    index = np.asarray(prediction.index, np.int64)
    used = np.zeros(bits.shape[1], bool)
    used[index[index >= 0]] = True
    keep = (bits & used).any(1) & (scores >= threshold)
    order = np.flatnonzero(keep)[np.argsort(-scores[keep], kind="stable")]
    message = ""
    if not len(order):
        message = f"no object fits: {sentence}"
        if prediction.best is not None:
            message += f" (the likeliest candidate has {prediction.best:.2f})"
    return Masks(
        scan=scan,
        support=np.ascontiguousarray(bits[order]),
        index=index,
        scores=scores[order],
        names=(sentence,) * len(order),
        message=message,
    )


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()


def _verbs(preset: str) -> tuple[str, ...]:
    from saymask import hub

    system = hub._import(hub.SYSTEMS[hub.preset(preset).system])
    return tuple(verb for verb in VERBS if hasattr(system, verb))


__all__ = ["Scene", "check_sentence", "to_masks"]
