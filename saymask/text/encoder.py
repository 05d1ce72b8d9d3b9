"""The one interface to all text encoders: sentences in, token and sentence features out."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.text.bert import is_plain_bert, load_bert
from saymask.text.weights import find_weights, open_clip_weights


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Features of B texts; L is the number of tokens of the longest."""

    tokens: Tensor
    """float [B, L, D]; rows of padding are 0."""
    mask: Tensor
    """bool [B, L]: True for a real token, the special ones at both ends included."""
    sentence: Tensor
    """float [B, S]: one vector per text (RoBERTa: the first token; MiniLM: the mean of the tokens, of length 1;
    CLIP: the projected feature of the end-of-text token)."""
    offsets: Tensor
    """int64 [B, L, 2]: the characters [start, end) that a token covers; (0, 0) for special tokens and padding."""

    def __len__(self) -> int:
        return len(self.mask)

    def to(self, device: str | torch.device) -> "TextFeatures":
        """Return the same features on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device),
            mask=self.mask.to(device),
            sentence=self.sentence.to(device),
            offsets=self.offsets.to(device),
        )


class TextEncoder(nn.Module):
    """A pretrained text model and its tokenizer; called with a list of texts it returns `TextFeatures`.

    kind: `roberta`, `bert` or `clip` (how the sentence feature is made). Differentiable, so it can be fine-tuned;
    `load_text_encoder` returns it in eval mode.
    """

    def __init__(self, name: str, kind: str, model: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.name = name
        self.kind = kind
        self.model = model
        self.tokenizer = tokenizer
        config: Any = model.config
        self.dim: int = config.hidden_size
        self.sentence_dim: int = config.projection_dim if kind == "clip" else config.hidden_size
        self.max_tokens = _position_limit(kind, config, tokenizer)
        self._warned = False

    @property
    def fingerprint(self) -> str:
        """Return the sha256 over the weights as they are now, the tokenizer and the way features are made."""
        digest = hashlib.sha256(f"{self.kind}:{self.max_tokens}:".encode())
        rules = json.loads(self.tokenizer.backend_tokenizer.to_str())
        # Both are set anew by every call and say nothing about the features.
        for setting in ("truncation", "padding"):
            rules.pop(setting, None)
        digest.update(json.dumps(rules, sort_keys=True).encode())
        for key, value in sorted(self.model.state_dict().items()):
            digest.update(f"{key}{list(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        """Encode B texts, padded to the longest; texts above `max_tokens` are cut with a warning, said once.

        Raises InputError for an empty text.
        """
        if isinstance(texts, str):
            raise InputError("texts: expected a list of sentences, got one string; write [sentence]")
        device = next(self.model.parameters()).device
        if not texts:
            return self._nothing(device)
        batch = self.tokenize(texts)
        ids, mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
        tokens, sentence = self.encode_ids(ids, mask)
        real = mask.bool()
        return TextFeatures(tokens.masked_fill(~real[..., None], 0), real, sentence, batch["offset_mapping"].to(device))

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return input_ids, attention_mask int64 [B, L] and offset_mapping int64 [B, L, 2] of `texts`."""
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"text {text!r}: expected at least one word to encode")
        entries = self._split(texts)
        if len(entries[0].ids) >= self.max_tokens and not self._warned:
            longest = max(map(_whole_length, entries))
            if longest > self.max_tokens:
                self._warned = True
                warnings.warn(
                    f"a text of {longest} tokens was cut to the {self.max_tokens} that {self.name} can read",
                    stacklevel=3,
                )
        special = torch.tensor([entry.special_tokens_mask for entry in entries], dtype=torch.bool)
        offsets = torch.tensor([entry.offsets for entry in entries])
        return {
            "input_ids": torch.tensor([entry.ids for entry in entries]),
            "attention_mask": torch.tensor([entry.attention_mask for entry in entries]),
            "offset_mapping": offsets.masked_fill(special[..., None], 0),
        }

    def encode_ids(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (token features [B, L, D], sentence features [B, S]) of token ids and attention mask [B, L]."""
        out = self.model(input_ids=ids, attention_mask=mask)
        hidden = out.last_hidden_state
        if self.kind == "clip":
            return hidden, out.text_embeds
        if self.kind == "roberta":
            return hidden, hidden[:, 0]
        weight = mask[..., None].to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return hidden, F.normalize(mean, dim=-1)

    def _split(self, texts: Sequence[str]) -> list[Any]:
        """Return the tokens of each text, cut to `max_tokens` and padded on the right to the longest."""
        backend = self.tokenizer.backend_tokenizer
        cut = {"max_length": self.max_tokens, "stride": 0, "strategy": "longest_first", "direction": "right"}
        pad = {"length": None, "pad_to_multiple_of": None, "pad_type_id": 0, "direction": "right"}
        pad |= {"pad_id": self.tokenizer.pad_token_id, "pad_token": self.tokenizer.pad_token}
        # Set only where they differ: another thread may be encoding.
        if backend.truncation != cut:
            backend.enable_truncation(**cut)
        if backend.padding != pad:
            backend.enable_padding(**pad)
        return backend.encode_batch(list(texts))

    def _nothing(self, device: torch.device) -> TextFeatures:
        return TextFeatures(
            torch.zeros(0, 0, self.dim, device=device),
            torch.zeros(0, 0, dtype=torch.bool, device=device),
            torch.zeros(0, self.sentence_dim, device=device),
            torch.zeros(0, 0, 2, dtype=torch.int64, device=device),
        )


def _whole_length(entry: Any) -> int:
    """Return how many tokens the text of an encoding has, with those that were cut."""
    words = sum(part.special_tokens_mask.count(0) for part in (entry, *entry.overflowing))
    return words + sum(entry.attention_mask) - entry.special_tokens_mask.count(0)


def _position_limit(kind: str, config: Any, tokenizer: Any) -> int:
    # RoBERTa counts positions from padding_idx + 1, so two of its 514 rows are never a token's.
    positions = config.max_position_embeddings - (config.pad_token_id + 1 if kind == "roberta" else 0)
    return min(positions, int(min(tokenizer.model_max_length, positions)))


_KINDS = {"roberta": "roberta", "bert": "bert", "clip": "clip", "clip_text_model": "clip"}


def load_text_encoder(name: str = "minilm", folder: str | Path | None = None) -> TextEncoder:
    """Return the text encoder `name`: one of `weights.SOURCES` (`minilm`, `roberta-base`, ...) or a local folder.

    With `folder` its weights come from there and only the name is taken from `name`.

    Weights come from that folder, else from the installed weights package (sha256 checked), else from the hub; raises
    InputError naming these ways when there is none. The encoder is on the CPU, float32, in eval mode.
    """
    return encoder_from_folder(find_weights(name if folder is None else str(folder)), name)


def encoder_from_folder(folder: Path, name: str) -> TextEncoder:
    """Load the encoder and tokenizer saved in `folder`.

    `model_type` in its config decides the kind; a folder of OpenCLIP (`open_clip_config.json`) holds a `clip`.
    """
    from safetensors import SafetensorError

    try:
        if is_plain_bert(folder):
            kind, (model, tokenizer) = "bert", load_bert(folder)
        else:
            kind, model, tokenizer = _from_transformers(folder)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"text encoder in {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    return TextEncoder(name, kind, model.eval(), tokenizer).eval()


def _from_transformers(folder: Path) -> tuple[str, nn.Module, Any]:
    """Return kind, model and tokenizer of a folder that transformers (imported here, for it takes seconds) reads."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    # Its bars and its table of unused vision weights say nothing to somebody who asked for a sentence.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        if open_clip_weights(folder) is not None:
            from saymask.text.clip_text import load_open_clip

            kind, model = "clip", load_open_clip(folder)
        else:
            kind, model = _transformers_model(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
    if not tokenizer.is_fast:
        raise InputError(f"{folder}: expected a fast tokenizer (tokenizer.json), which knows character offsets")
    return kind, model, tokenizer


def _transformers_model(folder: Path) -> tuple[str, nn.Module]:
    """Return the kind and the model of a folder with transformers' `config.json` and `model.safetensors`."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    kind = _KINDS.get(config.model_type)
    if kind is None:
        raise InputError(f"{folder}: expected a {', '.join(_KINDS)} model, got model_type {config.model_type!r}")
    options: dict[str, Any] = {"dtype": torch.float32}
    if kind == "clip":
        from transformers import CLIPTextModelWithProjection

        loader: Any = CLIPTextModelWithProjection
    else:
        from transformers import AutoModel

        loader = AutoModel

        # Nobody reads the pooler, and where the file has none it would be random and spoil the fingerprint.
        options["add_pooling_layer"] = False
    model, report = loader.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
    )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise InputError(
            f"{folder}/model.safetensors: expected all weights of the {config.model_type} in config.json, "
            f"{len(missing)} are missing, such as {missing[0]}"
        )
    return kind, model
