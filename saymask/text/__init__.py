"""Text: sentences to token and sentence features, through one interface for all encoders."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "CachedText": "saymask.text.cache",
    "FrozenText": "saymask.text.cache",
    "LazyTextEncoder": "saymask.text.lazy",
    "TextEncoder": "saymask.text.encoder",
    "TextFeatures": "saymask.text.encoder",
    "find_weights": "saymask.text.weights",
    "load_text_encoder": "saymask.text.encoder",
}
__all__ = [
    "CachedText",
    "FrozenText",
    "LazyTextEncoder",
    "TextEncoder",
    "TextFeatures",
    "find_weights",
    "load_text_encoder",
]

if TYPE_CHECKING:
    from saymask.text.cache import CachedText, FrozenText
    from saymask.text.encoder import TextEncoder, TextFeatures, load_text_encoder
    from saymask.text.lazy import LazyTextEncoder
    from saymask.text.weights import find_weights


def __getattr__(name: str) -> Any:
    # Imported on first use: the names of encoders are known without torch.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'saymask.text' has no attribute {name!r}")
