"""A tiny folder of OpenCLIP: random weights under its names, its configuration and a real CLIP tokenizer."""

import json
from pathlib import Path

import torch

MERGES = [("c", "h"), ("ch", "a"), ("i", "r</w>"), ("cha", "ir</w>")]


def open_clip_state(vocab=20, width=128, layers=2, positions=9, projection=48, seed=0):
    """Return OpenCLIP key → tensor of a text transformer."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator) / (shape[-1] ** 0.5 if len(shape) > 1 else 4)

    shapes = {
        "positional_embedding": (positions, width),
        "text_projection": (width, projection),
        "token_embedding.weight": (vocab, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for i in range(layers):
        for name, shape in {
            "ln_1.weight": (width,),
            "ln_1.bias": (width,),
            "attn.in_proj_weight": (3 * width, width),
            "attn.in_proj_bias": (3 * width,),
            "attn.out_proj.weight": (width, width),
            "attn.out_proj.bias": (width,),
            "ln_2.weight": (width,),
            "ln_2.bias": (width,),
            "mlp.c_fc.weight": (3 * width, width),
            "mlp.c_fc.bias": (3 * width,),
            "mlp.c_proj.weight": (width, 3 * width),
            "mlp.c_proj.bias": (width,),
        }.items():
            shapes[f"transformer.resblocks.{i}.{name}"] = shape
    return {name: random(*shape) for name, shape in shapes.items()}


def tiny_open_clip(folder: Path, *, heads: int = 4) -> dict[str, torch.Tensor]:
    """Fill `folder` as the hub's OpenCLIP repositories are; return the state dict of the text half."""
    from safetensors.torch import save_file
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = sorted(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in MERGES)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=MERGES, model_max_length=30)
    tokenizer.save_pretrained(folder)
    state = open_clip_state(vocab=len(words), positions=30)
    image = {"visual.trunk.stem.weight": torch.zeros(3), "logit_scale": torch.zeros(())}
    save_file(state | image, folder / "open_clip_pytorch_model.safetensors")
    text = {"context_length": 30, "vocab_size": len(words), "width": 128, "heads": heads, "layers": 2}
    config = {"model_cfg": {"embed_dim": 48, "vision_cfg": {"image_size": 320}, "text_cfg": text}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return state
