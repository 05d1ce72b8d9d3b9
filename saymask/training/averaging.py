"""A running mean of the weights, which is as good as a run whose learning rate has fallen.

Source: "Mean teachers are better role models", NeurIPS 2017, arXiv 1703.01780, section 2 (exponential moving average).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from saymask.hub.checkpoints import stored_state

YOUNG = 10
"""At step t the mean keeps at most (1 + t) / (YOUNG + t) of itself, so that it leaves the initial weights soon."""


class WeightAverage:
    """The exponential moving average of a model's weights and running statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.values = {name: value.detach().clone() for name, value in _floating(model).items()}
        """float tensors by their names in the model's state."""

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the model's weights after `step` steps (from 1)."""
        now = _floating(self.model)
        share = 1 - min(self.decay, (1 + step) / (YOUNG + step))
        # All in one call, which torch does not list among its own.
        torch._foreach_lerp_(list(self.values.values()), [now[n] for n in self.values], share)  # pyright: ignore[reportPrivateImportUsage]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Put the means into the model inside the `with` block."""
        _swap(self.values, _floating(self.model))
        try:
            yield
        finally:
            _swap(self.values, _floating(self.model))


def _floating(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in stored_state(model).items() if value.is_floating_point()}


@torch.no_grad()
def _swap(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    for name, value in mine.items():
        before = theirs[name].clone()
        theirs[name].copy_(value)
        value.copy_(before)
