"""Features of a frozen text encoder, each text encoded once and kept on disk."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.text.encoder import TextEncoder, TextFeatures
from saymask.text.lazy import LazyTextEncoder
from saymask.text.store import FeatureStore, Row
from saymask.util.files import cache_folder

Entry = tuple[Tensor, Tensor, Tensor]
"""Tokens [L, D], sentence [S], offsets [L, 2] of one text, on the CPU."""
# One for all, since a lock of their own would keep models from being copied and sent to other processes.
_LOCK = threading.RLock()


class CachedText:
    """A frozen encoder with a memory: called with texts it returns `TextFeatures` without gradient, on `device`.

    Several threads may call it.

    Known texts are read from `folder`/text-features.sqlite, others encoded in batches and stored. A text's key is
    the encoder's fingerprint and the text, so that another encoder or other weights never meet old features. `dtype`
    is what is stored: float32 gives back exactly what was computed, float16 takes half the room.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        folder: str | Path | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        memory: int = 4096,
        batch_size: int = 64,
        fingerprint: str = "",
    ) -> None:
        """Take an encoder; `fingerprint` is its own where that is known already."""
        if dtype not in (torch.float32, torch.float16):
            raise InputError(f"cached text features: expected float32 or float16, got {dtype}")
        self.encoder = encoder.eval().requires_grad_(False)
        self.name, self.dim, self.sentence_dim = encoder.name, encoder.dim, encoder.sentence_dim
        self.fingerprint = fingerprint or encoder.fingerprint
        self.device = torch.device(device)
        self.dtype = dtype
        self.batch_size = batch_size
        self.store = FeatureStore((Path(folder) if folder is not None else cache_folder()) / "text-features.sqlite")
        self._salt = f"{self.fingerprint}:{str(dtype).removeprefix('torch.')}:".encode()
        self._recent: LRUCache[bytes, Entry] = LRUCache(memory)

    def to(self, device: str | torch.device) -> "CachedText":
        """Return self, with results going to `device`; the encoder follows when it has something to encode."""
        self.device = torch.device(device)
        return self

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """Return the features of B texts, padded to the longest; raises InputError for an empty text."""
        if isinstance(texts, str):
            raise InputError("texts: expected a list of sentences, got one string; write [sentence]")
        keys = [self._key(text) for text in texts]
        with _LOCK:
            entries = self._entries(keys, texts)
        return self._stack([entries[key] for key in keys])

    def _entries(self, keys: list[bytes], texts: Sequence[str]) -> dict[bytes, Entry]:
        entries = {key: self._recent[key] for key in set(keys) if key in self._recent}
        if absent := dict.fromkeys(key for key in keys if key not in entries):
            entries.update((key, self._unpack(row)) for key, row in self.store.get(absent).items())
        if absent := {key: text for key, text in zip(keys, texts) if key not in entries}:
            entries.update(self._encode(absent))
        if self._recent.maxsize:
            self._recent.update((key, entries[key]) for key in keys)
        return entries

    def _key(self, text: str) -> bytes:
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"text {text!r}: expected at least one word to encode")
        return hashlib.sha256(self._salt + text.encode("utf-8", "surrogatepass")).digest()

    def _encode(self, texts: dict[bytes, str]) -> dict[bytes, Entry]:
        self.encoder.to(self.device)
        # Texts of similar length share a batch, so that little of it is padding.
        keys = sorted(texts, key=lambda key: (len(texts[key]), key))
        done: dict[bytes, Entry] = {}
        for start in range(0, len(keys), self.batch_size):
            part = keys[start : start + self.batch_size]
            # What is stored must not depend on the precision that the caller happens to compute in.
            full = torch.autocast(self.device.type, enabled=False)
            with torch.inference_mode(False), torch.no_grad(), full:
                features = self.encoder([texts[key] for key in part]).to("cpu")
            lengths = features.mask.sum(1).tolist()
            fresh = {
                key: (
                    features.tokens[i, :length].to(self.dtype).float(),
                    features.sentence[i].to(self.dtype).float(),
                    features.offsets[i, :length].clone(),
                )
                for i, (key, length) in enumerate(zip(part, lengths))
            }
            self.store.put({key: self._pack(entry) for key, entry in fresh.items()})
            done.update(fresh)
        return done

    def _pack(self, entry: Entry) -> Row:
        tokens, sentence, offsets = entry
        kind = np.dtype(str(self.dtype).removeprefix("torch.")).newbyteorder("<")
        return (
            len(tokens),
            kind.name,
            tokens.numpy().astype(kind).tobytes(),
            sentence.numpy().astype(kind).tobytes(),
            offsets.numpy().astype("<i4").tobytes(),
        )

    def _unpack(self, row: Row) -> Entry:
        length, kind, tokens, sentence, offsets = row
        floats = np.dtype(kind).newbyteorder("<")
        return (
            torch.from_numpy(np.frombuffer(tokens, floats).astype(np.float32).reshape(length, self.dim)),
            torch.from_numpy(np.frombuffer(sentence, floats).astype(np.float32)),
            torch.from_numpy(np.frombuffer(offsets, "<i4").astype(np.int64).reshape(length, 2)),
        )

    def _stack(self, entries: list[Entry]) -> TextFeatures:
        count, longest = len(entries), max((len(e[0]) for e in entries), default=0)
        tokens = torch.zeros(count, longest, self.dim)
        mask = torch.zeros(count, longest, dtype=torch.bool)
        sentence = torch.zeros(count, self.sentence_dim)
        offsets = torch.zeros(count, longest, 2, dtype=torch.int64)
        for i, (token, whole, span) in enumerate(entries):
            tokens[i, : len(token)] = token
            mask[i, : len(token)] = True
            sentence[i] = whole
            offsets[i, : len(span)] = span
        return TextFeatures(tokens, mask, sentence, offsets).to(self.device)


class FrozenText:
    """The frozen text encoder of a model: a `CachedText` that is made when a text is first asked for.

    `encoder` is one (lazy or not), or a name for `load_text_encoder`; None for a model that gives it with every call.
    """

    def __init__(self, encoder: nn.Module | str | None = None) -> None:
        self._encoder = LazyTextEncoder(encoder) if isinstance(encoder, str) else encoder
        self._cached: CachedText | None = None

    def on(self, device: str | torch.device, encoder: nn.Module | None = None) -> CachedText:
        """Return the cached encoder on `device`; `encoder` is the one to use from now on."""
        with _LOCK:
            wanted, known = self._encoder if encoder is None else encoder, ""
            if isinstance(wanted, LazyTextEncoder):
                wanted, known = wanted.loaded(), wanted.checked
            if self._cached is None or self._cached.encoder is not wanted:
                # What takes the place of a TextEncoder behaves like one.
                self._cached = CachedText(cast(TextEncoder, wanted), fingerprint=known)
            return self._cached.to(device)
