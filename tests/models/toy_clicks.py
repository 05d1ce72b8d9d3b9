"""A toy model for clicks and panoptic answers: what has the colour of the place that was clicked on."""

from dataclasses import replace

import numpy as np
import torch

from saymask.answers import Objects, Prediction
from saymask.models.base import Preset
from tests.models import toy_model
from tests.models.toy_model import Seen, Seer


class Pointer(Seer):
    """A click means all cells of nearly its colour; `asked` counts the clicks of every call."""

    system = "pointer"

    def __init__(self, config: toy_model.SeerConfig) -> None:
        super().__init__(config)
        self.asked: list[list[int]] = []

    def click(self, encoded: Seen, points: np.ndarray) -> Prediction:
        assert points.dtype == np.int64
        assert torch.is_inference_mode_enabled()
        self.asked.append(points.tolist())
        own = encoded.colors[torch.from_numpy(encoded.index[points])]
        logits = 1 - 4 * torch.cdist(own, encoded.colors)
        return Prediction(logits, 0.5 + 0.4 * own[:, 0], encoded.index)

    def panoptic(self, encoded: Seen) -> Objects:
        fits = self._relevance(encoded, self.names)
        best, own = fits.max(1)
        own[best < 0.2] = len(self.names)
        masks = torch.stack([own == c for c in range(len(self.names) + 1)]).numpy()
        scores = np.linspace(0.9, 0.5, len(masks), dtype=np.float32)
        return Objects(masks, scores, np.arange(len(masks)), encoded.index, (*self.names, "floor"), (*self.ids, 1))


def pointer() -> Preset:
    return replace(toy_model.seer(), name="toy.pointer", system="pointer")


def register(monkeypatch) -> None:
    """Make the toy preset known to the hub."""
    from saymask.hub import registry

    monkeypatch.setitem(registry.SYSTEMS, "pointer", f"{__name__}:Pointer")
    monkeypatch.setitem(registry.PRESETS, "toy.pointer", f"{__name__}:pointer")
