"""Several models as one: each verb is answered by the one that answers it best, and everybody can see which that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import torch
from torch import nn

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.models.base import VERBS, Model
from saymask.scan import Scan

METHODS = {**{verb: verb for verb in VERBS}, "click_classes": "click", "proposals": "find"}
"""Method that takes what was encoded -> the verb to which it belongs: the model that answers the verb has it."""


def route(answers: Mapping[str, Sequence[str]], chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return which of several models answers each verb: the one that is `chosen` for it, else the first that can.

    answers: model -> its verbs. Raises InputError for a verb that does not exist, a model that is not there, and one
    that does not answer what it is chosen for.
    """
    chosen = {} if chosen is None else chosen
    for verb, name in chosen.items():
        if verb not in VERBS:
            raise InputError(f"routes: expected verbs out of {', '.join(VERBS)}, got {verb!r}")
        if name not in answers:
            raise InputError(f"routes: expected one of {', '.join(answers)} for {verb}, got {name!r}")
        if verb not in answers[name]:
            raise InputError(
                f"routes: expected a model that answers {verb}, got {name}, which answers "
                f"{', '.join(answers[name]) or 'nothing'}"
            )
    able = {verb: [name for name, verbs in answers.items() if verb in verbs] for verb in VERBS}
    return {verb: chosen.get(verb, names[0]) for verb, names in able.items() if names}


@dataclass(frozen=True, eq=False)
class Each:
    """What every part of a routed model made of the same scans (samples, a batch, or encoded), in their order."""

    parts: tuple[Any, ...]

    def to(self, device: torch.device | str) -> Self:
        """Return the batches on `device`."""
        return replace(self, parts=tuple(part.to(device) for part in self.parts))


class Routed(Model):
    """A model made of several: each encodes the scan in its own way, each verb goes to one of them.

    `routes` says which part answers which verb, `parts` holds them, and the methods are those of the parts; so are the
    card (`parts`) and the settings, of which `config` shows those of the part that finds words (the threshold of
    `find` is asked of a model). It is not trained or saved as a whole: its parts are.
    """

    system = "routed"

    def __init__(self, parts: Mapping[str, Model], routes: Mapping[str, str] | None = None) -> None:
        """Take the parts by name; a verb that `routes` (verb -> name) leaves out goes to the first that answers it.

        Raises InputError for routes that do not fit the parts, a part that would answer nothing, and parts that see
        different 2D features, of which a scan holds one kind.
        """
        super().__init__()
        self.routes = route({name: part.verbs for name, part in parts.items()}, routes)
        """Verb -> name of the part that answers it."""
        if not parts:
            raise InputError("routes: expected at least one model, got none")
        if idle := [name for name in parts if name not in self.routes.values()]:
            raise InputError(f"routes: nothing is left for {', '.join(idle)} to answer; leave it out")
        images = {(part.image_features, part.stretched_images) for part in parts.values() if part.image_features}
        if len(images) > 1:
            kinds = " and ".join(name + (" (stretched)" if stretched else "") for name, stretched in sorted(images))
            raise InputError(f"routes: expected models that see the same 2D features, got {kinds}; ask them one by one")
        self._images = next(iter(images), ("", False))
        self._names = tuple(parts)
        # A list, since the names of a dictionary of modules cannot have the dots that names of checkpoints have.
        self._parts = nn.ModuleList(parts.values())
        self.train(all(part.training for part in parts.values()))

    @property
    def parts(self) -> dict[str, Model]:
        """The models by name."""
        return dict(zip(self._names, self._parts, strict=True))  # type: ignore[arg-type]

    @property
    def verbs(self) -> tuple[str, ...]:
        """Verbs that some part answers."""
        return tuple(self.routes)

    @property
    def card(self) -> dict[str, Any]:  # type: ignore[override]
        """Name, verbs, `routes` (verb -> checkpoint), and the cards of the `parts`."""
        parts = {name: part.card for name, part in self.parts.items()}
        return {
            "name": "+".join(parts),
            "system": self.system,
            "verbs": list(self.verbs),
            "routes": dict(self.routes),
            "parts": parts,
        }

    @property
    def config(self) -> Any:  # type: ignore[override]
        """Settings of the part that answers `find`, without one those of the first."""
        return self.parts[self.routes.get("find", self._names[0])].config

    @property
    def uses_superpoints(self) -> bool:
        """Whether some part predicts on superpoints."""
        return any(getattr(part, "uses_superpoints", False) for part in self._parts)

    @property
    def image_features(self) -> str:
        """Name of the prepared 2D features that some part takes; empty = none."""
        return self._images[0]

    @property
    def stretched_images(self) -> bool:
        """Whether these were projected by the official rule."""
        return self._images[1]

    def get_ready(self) -> None:
        """Let every part load what it needs for prompts."""
        for part in self.parts.values():
            part.get_ready()

    # ---- scans to batches, one of each part

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Each:
        """Return every part's view of a scan; superpoints are computed once. InputError for a training view."""
        if rng is not None:
            self._refuse_training()
        if self.uses_superpoints and scan.superpoints is None:
            from saymask.geometry.superpoints import superpoints_of  # with its compiled kernels

            scan = replace(scan, superpoints=superpoints_of(scan))
        return Each(tuple(part.prepare(scan, annotations) for part in self.parts.values()))

    def collate(self, samples: list[Each]) -> Each:
        """Return every part's batch of its own samples."""
        columns = ([sample.parts[i] for sample in samples] for i in range(len(self._names)))
        return Each(tuple(part.collate(column) for part, column in zip(self.parts.values(), columns, strict=True)))

    def adapted(self, scan: Scan, share: float | None = None) -> "Routed":
        """Return the parts as each is to encode `scan`."""
        return Routed({name: part.adapted(scan, share) for name, part in self.parts.items()}, self.routes)

    def encode_batch(self, batch: Each) -> Each:
        """Return what every part encoded."""
        return Each(tuple(part.encode_batch(own) for part, own in zip(self.parts.values(), batch.parts, strict=True)))

    # ---- answers

    def __getattr__(self, name: str) -> Any:
        """Return a verb's method as the part has it, of what `encode_batch` returned.

        Not defined one by one, so that this model has exactly the methods of its parts.
        """
        verb, routes = METHODS.get(name), self.__dict__.get("routes", {})
        if verb not in routes:
            return super().__getattr__(name)
        number = self._names.index(routes[verb])
        method: Callable[..., Any] = getattr(self._parts[number], name)
        return lambda encoded, *asked, **options: method(encoded.parts[number], *asked, **options)

    # ---- training

    def losses(self, batch: Any) -> NoReturn:
        """Raise InputError: the parts are trained."""
        self._refuse_training()

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> NoReturn:
        """Raise InputError: the parts are trained."""
        self._refuse_training()

    def _refuse_training(self) -> NoReturn:
        raise InputError(f"a model of several cannot be trained; train one of them: {', '.join(self._names)}")
