"""LESS: the RoBERTa text encoder at full size with filled weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.text import TextEncoder
from tests.parity import Check, case, fill_tensor, placed

PREFIX = "language_encoder."
WORDS = "embeddings.word_embeddings.weight"
TIGHT = {"atol": 2e-5, "rtol": 1e-5}


def filled_roberta(highest_id: int) -> TextEncoder:
    """Return an encoder of `roberta-base` size with weights filled by name, for ids up to `highest_id`."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1
    )
    with torch.device("meta"):
        model = RobertaModel(config, add_pooling_layer=False)
    state = {}
    for name, value in model.state_dict().items():
        shape = tuple(value.shape)
        if name == WORDS:
            array = np.zeros(shape, np.float32)
            # Values are drawn row after row, so the rows in use are the same without drawing the others.
            array[: highest_id + 1] = fill_tensor(PREFIX + name, (highest_id + 1, shape[1]))
        else:
            array = fill_tensor(PREFIX + name, shape)
        state[name] = torch.from_numpy(array)
    model.load_state_dict(state, assign=True)
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:  # ids of positions and token types, which a state dict does not hold
            ids = torch.arange(514)[None] if name.endswith("position_ids") else torch.zeros(1, 514, dtype=torch.int64)
            model.get_submodule(name.rpartition(".")[0]).register_buffer(name.rpartition(".")[2], ids, persistent=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 1}, "<pad>")))
    return TextEncoder("roberta-base", "roberta", placed(model.eval()), tokenizer).eval()


@case("less", "roberta")
def roberta(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    ids, mask = placed(golden["input_ids"]), placed(golden["attention_mask"])
    encoder = filled_roberta(int(ids.max()))
    seen: dict[str, torch.Tensor] = {}
    model: Any = encoder.model
    model.embeddings.register_forward_hook(lambda _, __, out: seen.__setitem__("embedding_output", out))
    layer = model.encoder.layer[0]
    layer.register_forward_hook(lambda _, __, out: seen.__setitem__("hidden_1", out[0] if type(out) is tuple else out))
    with torch.inference_mode():
        tokens, sentence = encoder.encode_ids(ids, mask)
    real = mask.bool()
    for name, value in [*seen.items(), ("last_hidden_state", tokens)]:
        yield Check(name, value[real], placed(golden[name])[real], **TIGHT)
    yield Check("sentence = first token", sentence, golden["last_hidden_state"][:, 0], **TIGHT)
