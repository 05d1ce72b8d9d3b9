"""Words without a meaning are not found in any scan, words for what is not there hardly in any."""

import pytest
import torch

from saymask.hub import checkpoints
from saymask.models.uniseg3d.extensions import vocabulary_names, word_relevance
from saymask.text.relevance import is_word

NONSENSE = ("asdfqwer", "blorptik", "zzyzx", "qwrtplm", "gribbulous", "xkcdvb", "ttrkk", "the", "of")
MEANT = ("chair", "fridge", "couch", "something to sit on", "nightstand", "washing machine", "computer screen")


@pytest.fixture(scope="module")
def model():
    return checkpoints.load_model("uniseg3d.rooms", device="cpu")


def of(model, *texts: str) -> torch.Tensor:
    return model._named(list(texts))


def test_nonsense_fits_nothing_whatever_is_shown(model):
    vocabulary = model.vocabulary()
    everything = torch.eye(len(vocabulary))  # parts that show one name each
    fits = word_relevance(everything, of(model, *NONSENSE), vocabulary)
    assert float(fits.max()) < 0.3


def test_words_that_mean_something_are_found_where_it_is_shown(model):
    vocabulary = model.vocabulary()
    fits = word_relevance(torch.eye(len(vocabulary)), of(model, *MEANT), vocabulary)
    assert float(fits.amax(0).min()) >= model.config.find_threshold
    names = vocabulary_names(model.config.held_out)
    assert names[int(fits[:, 0].argmax())] == "chair"
    assert names[int(fits[:, 1].argmax())] == "refrigerator"


def test_words_of_other_worlds_are_not_found_at_full_relevance(model):
    vocabulary = model.vocabulary()
    fits = word_relevance(torch.eye(len(vocabulary)), of(model, "banana", "pizza", "snow", "boat"), vocabulary)
    assert float(fits.max()) < 0.6


def test_a_meaning_is_a_closeness_to_some_name():
    cosines = torch.tensor([[0.1, 0.45, 0.9], [0.3, 0.2, 0.1]])
    torch.testing.assert_close(is_word(cosines), torch.tensor([0.0, 0.5, 1.0]))
