"""The tokenizer of every CLIP text model, from the merges that come with saymask; nothing has to be downloaded for it.

`clip_merges.txt.gz` holds the 48,894 byte-pair merges of OpenAI's CLIP (MIT licence), one a line, in their order.
"""

import gzip
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saymask.errors import InputError
from saymask.text.encoder import TextEncoder

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

VOCABULARY = 49_408
"""Tokens that it knows: rows of a token embedding that belongs to it."""
LONGEST = 77
"""Tokens of a text, start and end included."""
_MERGES = Path(__file__).with_name("clip_merges.txt.gz")


def clip_tokenizer() -> "CLIPTokenizer":
    """Return a new tokenizer: lower case, byte pairs, start and end tokens, at most 77 tokens."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges: Any = _merges()  # pairs, which the tokenizer takes, though its types say otherwise
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=LONGEST)


def clip_text_encoder(name: str, model: "CLIPTextModelWithProjection") -> TextEncoder:
    """Return a text model with CLIP's own tokenizer, which comes with saymask; InputError for another vocabulary."""
    if model.config.vocab_size != VOCABULARY:
        raise InputError(
            f"text encoder {name!r}: expected CLIP's vocabulary of {VOCABULARY:,} tokens, got "
            f"{model.config.vocab_size:,}; its tokenizer is needed, give a folder with --text-encoder"
        )
    return TextEncoder(name, "clip", model, clip_tokenizer()).eval()


@cache
def _merges() -> tuple[tuple[str, str], ...]:
    lines = gzip.decompress(_MERGES.read_bytes()).decode().splitlines()
    pairs = (line.split(" ") for line in lines)
    return tuple((first, second) for first, second in pairs)
