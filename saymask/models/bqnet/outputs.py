"""Outputs of BQNet's decoder and the truth of its losses: plain records, so that neither knows the other."""

from dataclasses import dataclass

from torch import Tensor

from saymask.text.token_maps import Span, Spans

__all__ = ["NO_INSTANCE", "LayerOutputs", "Outputs", "Span", "Spans", "Truth"]


@dataclass(frozen=True, eq=False)
class LayerOutputs:
    """The heads' answers for the queries as they are before the first layer or after one.

    Source: docs/systems/bqnet.md §3.4.
    """

    masks: Tensor  # float [U, Q, S] logits over superpoints
    scores: Tensor  # float [U, Q] predicted IoU, raw
    indicators: Tensor  # float [U, Q, 2] logits; index 1 = "is a target"
    queries: Tensor  # float [U, Q, 64] unit vectors
    tokens: Tensor  # float [U, L, 64] unit vectors


@dataclass(frozen=True, eq=False)
class Outputs:
    """All stages of the decoder, the initial prediction first, and how the queries were chosen.

    Source: docs/systems/bqnet.md §3.4.
    """

    stages: tuple[LayerOutputs, ...]  # layers + 1; the last is the answer
    chosen: Tensor  # int64 [U, Q]: seed of each query
    seed_scores: Tensor  # float [U, F]: text-driven score of each seed (`ref_scores`)
    padding: Tensor  # bool [U, S]: True = not a superpoint of the sentence's scan
    positions: Tensor  # float [U, Q, 3]: query positions after the last layer, metres

    @property
    def final(self) -> LayerOutputs:
        """The answer of the last layer."""
        return self.stages[-1]


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of a batch of U sentences over B scans; everything is padded to the longest scan and text."""

    scene: Tensor  # int64 [U]: scan of each sentence
    instances: Tensor  # int64 [B, S]: instance that has more than half of a superpoint, NO_INSTANCE for none
    positions: Tensor  # float [B, S, 3]: superpoint positions, metres
    seeds: Tensor  # int64 [B, F]: superpoint of each seed
    objects: tuple[tuple[int, ...], ...]  # U: instance ids that the sentence means
    relevance: Tensor  # float [U, S]: `sp_ref_mask`
    maps: Tensor  # float [U, 5, L]: token maps positive, modify, pron, rel, other over the text's columns
    text_mask: Tensor  # bool [U, L]: True = a token


NO_INSTANCE = 199
"""Instance label of a superpoint that no instance has more than half of; -1, un-annotated, is an id.

Source: docs/systems/bqnet.md §2.5.
"""
