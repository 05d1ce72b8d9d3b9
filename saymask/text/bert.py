"""BERT-like text models (MiniLM) from their own files, without the seconds that importing transformers takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from saymask.errors import InputError


@dataclass(frozen=True)
class BertConfig:
    """The settings in `config.json` that this module follows, with BERT's values where the file names none."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    pad_token_id: int = 0


@dataclass(frozen=True)
class BertTokenizer:
    """The part of a tokenizer of transformers that a text encoder uses."""

    backend_tokenizer: Tokenizer
    model_max_length: int
    pad_token_id: int
    pad_token: str


class BertModel(nn.Module):
    """BERT's encoder without pooler (Devlin et al. 2018), its parameters named as in transformers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """Return `last_hidden_state` float [B, L, D] of token ids and attention mask int64 [B, L] (1: a real token)."""
        hidden = self.embeddings(input_ids)
        real = attention_mask.bool()
        # Without a mask torch takes its faster way, with results that differ in the last bits.
        visible = None if real.all() else real[:, None, None, :]
        for layer in self.encoder.layer:
            hidden = layer(hidden, visible)
        return SimpleNamespace(last_hidden_state=hidden)


class _Encoder(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Embeddings(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = _table(config.vocab_size, config, padding_idx=config.pad_token_id)
        self.position_embeddings = _table(config.max_position_embeddings, config)
        self.token_type_embeddings = _table(config.type_vocab_size, config)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, ids: Tensor) -> Tensor:
        # All tokens are of the first of two sentences.
        tokens = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        return self.dropout(self.LayerNorm(tokens + self.position_embeddings.weight[: ids.shape[1]]))


def _table(rows: int, config: BertConfig, padding_idx: int | None = None) -> nn.Embedding:
    # Not random: on the meta device `nn.Embedding` would import torch's compiler for that, which takes two seconds.
    return nn.Embedding.from_pretrained(torch.empty(rows, config.hidden_size), freeze=False, padding_idx=padding_idx)


class _Layer(nn.Module):
    """Self-attention and two linear maps, each with a residual and the norm after it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = _Output(config.intermediate_size, config)

    def forward(self, hidden: Tensor, visible: Tensor | None) -> Tensor:
        hidden = self.attention(hidden, visible)
        return self.output(F.gelu(self.intermediate["dense"](hidden)), hidden)


class _Attention(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads, self.dropped = config.num_attention_heads, config.attention_probs_dropout_prob
        names = ("query", "key", "value")
        self.self = nn.ModuleDict({name: nn.Linear(config.hidden_size, config.hidden_size) for name in names})
        self.output = _Output(config.hidden_size, config)

    def forward(self, hidden: Tensor, visible: Tensor | None) -> Tensor:
        query, key, value = (
            part(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.self.values()
        )
        dropped = self.dropped if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, visible, dropped)  # [B, heads, L, D / heads]
        return self.output(mixed.transpose(1, 2).flatten(2), hidden)


class _Output(nn.Module):
    def __init__(self, width: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden)) + residual)


def is_plain_bert(folder: Path) -> bool:
    """Return whether `folder` holds a BERT that `load_bert` computes as transformers does, with a tokenizer.json."""
    try:
        settings = json.loads((folder / "config.json").read_bytes())
        usual = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
        return (folder / "tokenizer.json").is_file() and all(settings.get(k, v) == v for k, v in usual.items())
    except (OSError, ValueError, AttributeError):
        return False  # transformers says what is wrong


def load_bert(folder: Path) -> tuple[BertModel, BertTokenizer]:
    """Return model (float32, on the CPU) and tokenizer of a folder with `config.json`, weights and `tokenizer.json`.

    Raises InputError where weights are missing, and what safetensors, tokenizers and torch raise for damaged files.
    """
    settings = json.loads((folder / "config.json").read_bytes())
    config = BertConfig(**{f.name: settings[f.name] for f in fields(BertConfig) if f.name in settings})
    with torch.device("meta"):  # no time for random weights
        model = BertModel(config)
    stored = load_file(folder / "model.safetensors")
    wanted = model.state_dict()
    # Checkpoints of whole tasks hold the encoder under `bert.`, the oldest name scale and shift gamma and beta.
    plain = {_present_name(name): value.float() for name, value in stored.items()}
    if missing := sorted(wanted.keys() - plain.keys()):
        raise InputError(
            f"{folder}/model.safetensors: expected all weights of the bert in config.json, "
            f"{len(missing)} are missing, such as {missing[0]}"
        )
    model.load_state_dict({name: plain[name] for name in wanted}, assign=True)
    return model, _tokenizer(folder)


def _present_name(name: str) -> str:
    return name.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias")


def _tokenizer(folder: Path) -> BertTokenizer:
    path = folder / "tokenizer_config.json"
    settings: Mapping[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    try:
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ValueError(f"tokenizer.json: {error}") from error
    pad = settings.get("pad_token", "[PAD]")
    pad = pad["content"] if isinstance(pad, dict) else pad
    return BertTokenizer(backend, int(settings.get("model_max_length", 10**9)), backend.token_to_id(pad) or 0, pad)
