"""Text: sentences to token and sentence features, through one interface for all encoders."""

from saymask.text.cache import CachedText, FrozenText
from saymask.text.encoder import TextEncoder, TextFeatures, check_sentence, load_text_encoder
from saymask.text.store import cache_folder
from saymask.text.weights import find_weights

__all__ = [
    "CachedText",
    "FrozenText",
    "TextEncoder",
    "TextFeatures",
    "cache_folder",
    "check_sentence",
    "find_weights",
    "load_text_encoder",
]
