"""How well things fit words, on a scale that is the same for all words (ours)."""

from torch import Tensor

LEAST_RISE = 0.25
"""Words that are less than this above the vocabulary's mean are nobody's name: nothing is scaled up to fit them."""


def relevance(similarity: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float32 [S, T] in 0..1: how well each row fits each text, from their cosines float [S, T].

    `vocabulary` float [C, T] holds the cosines of the class names and the texts. 0 is their mean, what an unrelated
    thing has; 1 is the closest class name's, what the best thing that the model knows can reach. A text that is close
    to no class name reaches 1 only through a row that is closer to it than any of them.
    """
    mean = vocabulary.mean(0)
    rise = (vocabulary.max(0).values - mean).clamp(min=LEAST_RISE)
    return ((similarity - mean) / rise).clamp(0, 1).float()
