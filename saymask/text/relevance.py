"""Relevance: how well things fit words, on a scale that is the same for all words (ours)."""

from torch import Tensor

LEAST_RISE = 0.25
"""Words that are less than this above the vocabulary's mean are nobody's name: nothing is scaled up to fit them."""


def rise(similarity: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float32 [S, T]: how well each row fits each text, from their cosines float [S, T].

    `vocabulary` float [C, T] holds the cosines of the class names and the texts. 0 is their mean, what an unrelated
    thing has; 1 is the closest class name's, what a thing reaches that the model is sure of. More is possible, as for
    a text that is close to no class name, and so is less than 0.
    """
    mean = vocabulary.mean(0)
    highest = (vocabulary.max(0).values - mean).clamp(min=LEAST_RISE)
    return ((similarity - mean) / highest).float()


def relevance(similarity: Tensor, vocabulary: Tensor) -> Tensor:
    """Return `rise` within 0..1, float32 [S, T]."""
    return rise(similarity, vocabulary).clamp(0, 1)
