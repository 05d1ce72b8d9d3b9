import json

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.nn.clip_image import IMAGE_ENCODERS, ImageEncoder, load_image_encoder
from tests.text.tiny import tiny_clip, tiny_roberta

CONFIG = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
}


def tiny_tower(folder):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    model = CLIPVisionModel(CLIPVisionConfig(**CONFIG)).eval()
    with torch.no_grad():  # as it is made, the last norm is the identity up to scale
        model.post_layernorm.weight.uniform_(0.5, 2)
        model.post_layernorm.bias.uniform_(-1, 1)
    model.save_pretrained(folder)
    return model


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tower"


def images(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for w, h in sizes]


def test_patches_before_and_after_the_last_norm(folder):
    model = tiny_tower(folder)
    x = torch.randn(3, 3, 28, 28)
    with torch.no_grad():
        hidden = model(pixel_values=x).last_hidden_state
        after = model.post_layernorm(hidden)[:, 1:]
    encoder = load_image_encoder(str(folder))
    assert (encoder.grid, encoder.dim, encoder.side) == ((4, 4), 24, 28)
    torch.testing.assert_close(encoder(x), after)
    torch.testing.assert_close(load_image_encoder(str(folder), final_norm=False)(x), hidden[:, 1:])
    assert encoder.model.config.hidden_act == "quick_gelu"


def test_size_of_the_published_tower():
    """ViT-L/14 at 336 pixels: 24 x 24 patches of width 1024 (no weights: shapes alone)."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    large = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    with torch.device("meta"):
        model = CLIPVisionModel(CLIPVisionConfig(**large, image_size=336, patch_size=14))
    encoder = ImageEncoder(model)
    assert encoder.grid == (24, 24)
    assert encoder(torch.zeros(1, 3, 336, 336)).shape == (1, 576, 1024)


def test_a_patch_is_where_it_was_in_the_image(folder):
    """Without attention between patches, a change in one patch of the image changes that row alone."""
    model = tiny_tower(folder)
    encoder = load_image_encoder(str(folder))
    with torch.no_grad():
        for name, parameter in encoder.model.named_parameters():
            if "self_attn.out_proj" in name:
                parameter.zero_()
    x = torch.zeros(1, 3, 28, 28)
    y = x.clone()
    y[..., 7:14, 21:28] = 1  # second row, last column
    changed = (encoder(x) - encoder(y)).abs().sum(dim=2)[0] > 1e-6
    assert changed.nonzero().flatten().tolist() == [1 * 4 + 3]
    assert model is not encoder.model


def test_preprocessing_is_the_library_s(folder):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tiny_tower(folder)
    encoder = load_image_encoder(str(folder))
    theirs = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    for image in images((1296, 968), (97, 131), (131, 97), (28, 28), (40, 20)):
        expected = torch.as_tensor(np.asarray(theirs(images=image)["pixel_values"][0]))
        torch.testing.assert_close(encoder.preprocess(image), expected, atol=1e-6, rtol=0)


def test_images_in_a_batch_equal_one_by_one(folder):
    tiny_tower(folder)
    encoder = load_image_encoder(str(folder))
    batch = images((60, 40), (33, 44), (28, 50))
    together = encoder(batch)
    assert together.shape == (3, 16, 24)
    assert together.dtype == torch.float32
    for i, image in enumerate(batch):
        torch.testing.assert_close(encoder([image])[0], together[i], atol=1e-5, rtol=1e-5)


def test_tower_of_a_whole_clip_model(tmp_path):
    """The hub's repositories hold text and image halves together."""
    from transformers import CLIPModel

    encoder = load_image_encoder(str(tiny_clip(tmp_path, whole=True)))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        tower = CLIPModel.from_pretrained(tmp_path).eval().vision_model
        expected = tower.post_layernorm(tower(pixel_values=x).last_hidden_state)[:, 1:]
    torch.testing.assert_close(encoder(x), expected)


def test_old_names_half_precision_and_tensor_pickles(folder):
    model = tiny_tower(folder)
    x = torch.randn(1, 3, 28, 28)
    expected = load_image_encoder(str(folder))(x)
    (folder / "model.safetensors").unlink()
    state = {f"vision_model.{k}": v for k, v in model.state_dict().items()}
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    state["text_model.embeddings.token_embedding.weight"] = torch.zeros(3, 3)
    torch.save(state, folder / "pytorch_model.bin")
    torch.testing.assert_close(load_image_encoder(str(folder))(x), expected)
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, folder / "pytorch_model.bin")
    encoder = load_image_encoder(str(folder))
    assert next(encoder.parameters()).dtype == torch.float32
    torch.testing.assert_close(encoder(x), expected, atol=0.05, rtol=0.05)


class Trap:
    def __reduce__(self):
        return open, ("never.txt", "w")


def test_pickles_run_no_code(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_tower(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"a": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be read"):
        load_image_encoder(str(folder))
    assert not (tmp_path / "never.txt").exists()


def test_loading_leaves_the_caller_s_random_numbers_alone(folder):
    tiny_tower(folder)
    torch.manual_seed(7)
    load_image_encoder(str(folder))
    found = torch.rand(3)
    torch.manual_seed(7)
    torch.testing.assert_close(found, torch.rand(3))


def test_weights_that_cannot_be_used(folder, tmp_path):
    tiny_tower(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match="16 are missing or of another shape"):
        load_image_encoder(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 33}))
    with pytest.raises(InputError, match="another shape"):
        load_image_encoder(str(folder))
    (folder / "config.json").write_text(json.dumps(config))
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="get the file again"):
        load_image_encoder(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_image_encoder(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors in it"):
        load_image_encoder(str(folder))
    with pytest.raises(InputError, match="model_type 'roberta'"):
        load_image_encoder(str(tiny_roberta(tmp_path / "text")))


def test_names(monkeypatch, tmp_path):
    assert "clip-vit-l14-336" in IMAGE_ENCODERS
    assert "minilm" not in IMAGE_ENCODERS
    with pytest.raises(InputError, match="clip-vit-l14-336"):
        load_image_encoder("resnet")
    import huggingface_hub

    def offline(repository, **_):
        assert repository == "openai/clip-vit-large-patch14-336"
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError, match=r"\(1\).*local folder.*\(2\).*network"):
        load_image_encoder("clip-vit-l14-336")
    tiny_tower(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, **_: str(tmp_path / "cache"))
    assert load_image_encoder("clip-vit-l14-336").dim == 24
