"""Relevance: how well things fit words, on a scale that is the same for all words (ours)."""

from torch import Tensor

LEAST_RISE = 0.25
"""Words that are less than this above the vocabulary's mean are nobody's name: nothing is scaled up to fit them."""
KNOWN_WORD = (0.40, 0.50)
"""Cosine of a text and its closest class name: at the first value and below, the text encoder has no meaning for it
(strings of letters, articles, words of other languages: 0.27 to 0.42 with MiniLM), from the second on it surely has."""


def rise(similarity: Tensor, vocabulary: Tensor, least: float = LEAST_RISE) -> Tensor:
    """Return float32 [S, T]: how well each row fits each text, from their cosines float [S, T].

    `vocabulary` float [C, T] holds the cosines of the class names and the texts. 0 is their mean, what an unrelated
    thing has; 1 is the closest class name's, what a thing reaches that the model is sure of. More is possible, as for
    a text that is close to no class name, and so is less than 0.
    """
    mean = vocabulary.mean(0)
    highest = (vocabulary.max(0).values - mean).clamp(min=least)
    return ((similarity - mean) / highest).float()


def is_word(vocabulary: Tensor) -> Tensor:
    """Return float32 [T] in 0..1: whether texts mean anything, from their cosines float [C, T] with the class names."""
    low, high = KNOWN_WORD
    return ((vocabulary.max(0).values - low) / (high - low)).clamp(0, 1).float()


def relevance(similarity: Tensor, vocabulary: Tensor) -> Tensor:
    """Return `rise` within 0..1, float32 [S, T]."""
    return rise(similarity, vocabulary).clamp(0, 1)
