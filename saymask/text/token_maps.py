"""Characters of a text to columns of its tokens: the maps that the semantic alignment is trained with.

Source: docs/systems/bqnet.md §2.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

Span = tuple[int, int]
"""Characters [start, end) of the model text."""
RETRIES = 2
"""Characters that the end of a span may move inwards when it lies on white space between tokens."""


@dataclass(frozen=True, eq=False)
class Spans:
    """Character spans of the model text that the semantic alignment uses (docs/systems/bqnet.md §2.4d)."""

    positive: tuple[Span, ...] = ()
    """Words that name the main target."""
    modify: tuple[Span, ...] = ()
    """Its attributes."""
    pron: tuple[Span, ...] = ()
    """Pronouns and repetitions that mean it."""
    rel: tuple[Span, ...] = ()
    """Words of its relations; doubled spans count twice."""
    other: tuple[Span, ...] = ()
    """Words that name other objects."""


def token_rows(spans: Sequence[Span], offsets: Tensor) -> Tensor:
    """Return one row per span: equal shares over the tokens that it covers, their sum 1.

    Args:
        spans: n spans of characters [start, end).
        offsets: int [L, 2], the characters of each token; (0, 0) for special tokens and padding.

    Returns:
        float32 [n, L] on the device of `offsets`. A row is 0 when the span lies on no token: outside of the text, or in
        a part that was cut because the text encoder reads no more. An end on white space is looked for up to two
        characters further in, as officially done (docs/systems/bqnet.md §2.4).
    """
    pairs: list[list[int]] = offsets.tolist()
    token_at: dict[int, int] = {}
    for column, (start, end) in enumerate(pairs):
        for character in range(start, end):
            # Pieces of one multi-byte character share its offsets; the first stands for it.
            token_at.setdefault(character, column)
    rows = torch.zeros(len(spans), len(pairs))
    for row, (start, end) in zip(rows, spans):
        first = _first_found(token_at, range(start, start + RETRIES + 1))
        last = _first_found(token_at, range(end - 1, end - RETRIES - 2, -1))
        if first is not None and last is not None and first <= last:
            row[first : last + 1] = 1 / (last + 1 - first)
    return rows.to(offsets.device)


def _first_found(token_at: dict[int, int], characters: range) -> int | None:
    return next((token_at[c] for c in characters if c in token_at), None)


def token_map(spans: Sequence[Span], offsets: Tensor) -> Tensor:
    """Return float32 [L]: the rows of all spans (see `token_rows`) summed, so repeated spans count twice."""
    return token_rows(spans, offsets).sum(0)


def token_maps(spans: Spans, offsets: Tensor) -> Tensor:
    """Return float32 [5, L]: the maps positive, modify, pron, rel, other of one sentence, offsets int [L, 2]."""
    return torch.stack([token_map(getattr(spans, field.name), offsets) for field in fields(spans)])
