"""Text: sentences to token and sentence features, through one interface for all encoders."""

from saymask.text.cache import CachedText
from saymask.text.encoder import TextEncoder, TextFeatures, check_sentence, load_text_encoder
from saymask.text.sources import find_weights
from saymask.text.store import cache_folder

__all__ = [
    "CachedText",
    "TextEncoder",
    "TextFeatures",
    "cache_folder",
    "check_sentence",
    "find_weights",
    "load_text_encoder",
]
