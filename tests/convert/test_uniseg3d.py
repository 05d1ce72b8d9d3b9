"""Official UniSeg3D checkpoints: read without running their code, loaded strictly, with class embeddings."""

import json
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

import saymask.convert.uniseg3d as convert_uniseg3d
from saymask.convert import convert
from saymask.errors import CheckpointError, InputError
from saymask.hub import checkpoints, registry
from saymask.hub.checkpoints import load_model
from saymask.models.uniseg3d import UniSeg3D, UniSeg3DConfig
from saymask.models.uniseg3d.official import TOWER, load_official, official_names, text_tower
from saymask.models.uniseg3d.presets import scannet
from saymask.text import encoder, lazy, load_text_encoder
from saymask.text.clip_text import clip_text_model
from saymask.text.clip_tokenizer import clip_text_encoder
from tests.io.test_pickles import Evil
from tests.models.fakes import WordHash
from tests.models.uniseg3d.test_model import encoded, scan_of
from tests.parity import GOLDEN, fill_state, load
from tests.parity.backbones import official_shapes
from tests.text.open_clip import open_clip_state, tiny_open_clip
from tests.text.tiny import tiny_clip

SMALL = UniSeg3DConfig(
    widths=(8, 12), block_reps=1, text_width=48, width=16, heads=2, layers=2, ffn_width=24, compat=True
)  # fmt: skip
NO_HUB = "no weights for the text encoder 'clip-convnext-large-d-320'"


@pytest.fixture(autouse=True)
def at_hand(monkeypatch):
    """The published preset is small, and there is no hub."""
    monkeypatch.setitem(registry.SYSTEMS, "uniseg3d", "saymask.models.uniseg3d:UniSeg3D")
    monkeypatch.setitem(registry.PRESETS, "uniseg3d.scannet", "saymask.models.uniseg3d.presets:scannet")
    monkeypatch.setattr(convert_uniseg3d, "scannet", lambda: replace(scannet(), model=SMALL))
    load = encoder.load_text_encoder

    def load_text_encoder(name, folder=None):
        if folder is None:
            raise InputError(NO_HUB)
        return load(name, folder)

    for module in (convert_uniseg3d, lazy):
        monkeypatch.setattr(module, "load_text_encoder", load_text_encoder)


def official_state(model):
    own = model.decoder.state_dict()
    shapes = official_shapes(model.backbone.unet)
    names = official_names(model)
    shapes |= {key: tuple(own[n.removeprefix("decoder.")].shape) for n, key in names.items() if key not in shapes}
    state = fill_state(shapes)
    return {key: value.reshape(shapes[key]) for key, value in state.items()}


def tower_of(state):
    """An OpenCLIP text transformer under its names in an official checkpoint."""
    names = {"positional_embedding": "text_pe", "text_projection": "text_proj"}
    tower = {TOWER + names.get(key, f"text_{key}"): value for key, value in state.items()}
    return tower | {f"{TOWER}text_attn_mask": torch.zeros(30, 30)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return folder, tower_of(tiny_open_clip(folder))


@pytest.fixture(scope="module")
def tower():
    """A small text tower with CLIP's whole vocabulary, as the official checkpoint carries one."""
    return tower_of(open_clip_state(vocab=49_408, width=64, layers=1, positions=77, projection=48))


def original():
    torch.manual_seed(0)
    model = UniSeg3D(replace(SMALL, odd_extents=True), text_encoder=WordHash(48))
    state = official_state(model)
    load_official(model, state)
    return model.eval(), state


def saved(path, state, prefix="", **more):
    """Write a checkpoint as mmengine does."""
    state = OrderedDict((prefix + key, value) for key, value in state.items())
    content = {
        "meta": {"epoch": 512, "iter": 154112, "mmengine_version": "0.10.3", "cfg": "model = dict()"},
        "state_dict": state,
        "message_hub": {"log_scalars": Evil(path.with_name("evil")), "runtime_info": OrderedDict(epoch=511)},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]},
    }
    torch.save(content | more, path)
    return path


def embeddings_file(path, width=48, prototypes=2):
    made = F.normalize(torch.randn(20, prototypes, width, generator=torch.Generator().manual_seed(3)), dim=-1)
    torch.save(made, path)
    return made


def converted(path, **choices):
    lines = []
    out = convert("uniseg3d", path, path.with_suffix(".safetensors"), report=lines.append, **choices)
    return out, lines


def test_a_checkpoint_with_the_official_class_embeddings(tmp_path, tower):
    model, state = original()
    path = saved(tmp_path / "model_best_2.pth", state | tower, prefix="module.")
    made = embeddings_file(tmp_path / "scannet_cls_embedding.pth")
    out, lines = converted(path, class_embeddings=tmp_path / "scannet_cls_embedding.pth")
    assert lines[0].startswith("ignored 1 classes in model_best_2.pth")
    assert lines[1] == f"{len(state)} tensors loaded, {len(tower)} of the frozen text tower apart from them"
    assert lines[2].startswith("the text tower is kept in the checkpoint")
    assert len(lines) == 3
    assert not (tmp_path / "evil").exists()
    again = load_model(out, device="cpu")
    assert again.config == replace(SMALL, odd_extents=True, class_prototypes=2)
    assert torch.equal(again.class_embeddings, made)
    model.set_class_embeddings(made)
    for name, value in checkpoints.stored_state(model).items():
        assert torch.equal(checkpoints.stored_state(again)[name], value), name
    ours, theirs = (
        again.click(encoded(again, scan_of()), np.array([4])),
        model.click(encoded(model, scan_of()), np.array([4])),
    )
    torch.testing.assert_close(ours.logits, theirs.logits)
    card = again.card
    assert card["official"] == {"epoch": 512, "iter": 154112}
    assert card["class_embeddings"] == "scannet_cls_embedding.pth"
    assert card["name"] == "uniseg3d.model_best_2"
    assert set(card["verbs"]) == {"refer", "find", "click", "semantic", "instances", "panoptic"}


def test_the_tower_goes_along_and_is_read_when_words_come(tmp_path, tower, monkeypatch):
    embeddings_file(tmp_path / "e.pth")
    path = saved(tmp_path / "a.pth", original()[1] | tower)
    out, _ = converted(path, class_embeddings=tmp_path / "e.pth")
    read = []
    kept = checkpoints._kept_encoder
    monkeypatch.setattr(checkpoints, "_kept_encoder", lambda *args: read.append(args) or kept(*args))
    model = load_model(out, device="cpu")
    scan = encoded(model, scan_of())
    model.semantic(scan), model.instances(scan), model.panoptic(scan), model.click(scan, np.array([4]))
    assert not read
    (found,) = model.refer(scan, ["the grey chair"])
    assert len(read) == 1
    own = clip_text_model(text_tower(tower))
    expected = clip_text_encoder("x", own)(["the grey chair"]).sentence
    torch.testing.assert_close(model.text(["the grey chair"]).sentence, expected)
    again = checkpoints.save_checkpoint(model, tmp_path / "again.safetensors")
    (same,) = load_model(again, device="cpu").refer(scan, ["the grey chair"])
    torch.testing.assert_close(same.logits, found.logits)
    with safe_open(out, "pt") as file:
        header = json.loads(file.metadata()["text_encoders"])
    assert header["text_encoder"]["name"] == "clip-convnext-large-d-320"
    assert header["text_encoder"]["kept"] == {"heads": 1}


def test_the_tower_may_be_left_out(tmp_path, tower):
    embeddings_file(tmp_path / "e.pth")
    path = saved(tmp_path / "a.pth", original()[1] | tower)
    out, lines = converted(path, class_embeddings=tmp_path / "e.pth", keep_tower=False)
    assert lines[2] == f"only sentences and words need the text encoder, which the checkpoint does not hold: {NO_HUB}"
    model = load_model(out, device="cpu")
    scan = encoded(model, scan_of())
    assert len(model.click(scan, np.array([4])).scores) == 1
    with pytest.raises(InputError, match=NO_HUB):
        model.refer(scan, ["the grey chair"])
    with pytest.raises(InputError, match=NO_HUB):
        model.get_ready("find")
    model.get_ready("click")


@pytest.mark.filterwarnings("ignore:a text of .* tokens was cut")
def test_a_text_encoder_makes_the_class_embeddings_and_is_compared(tmp_path, clip):
    _, state = original()
    folder, tower = clip
    out, lines = converted(saved(tmp_path / "a.pth", state | tower), text_encoder=str(folder))
    assert lines[2].startswith("the text tower cannot be kept: text encoder")
    assert lines[3].startswith(f"the text tower equals {folder} in all ")
    assert lines[4].startswith("class embeddings made with the text encoder")
    with safe_open(out, "pt") as file:
        assert str(folder) not in json.dumps(file.metadata())
    model = load_model(out, device="cpu", text_encoder=folder)
    encoder = load_text_encoder(str(folder))
    said = encoder(["a photo of a otherfurniture."]).sentence.detach()
    assert model.class_embeddings.shape == (20, 1, 48)
    assert float(F.cosine_similarity(model.class_embeddings[19], said)) > 0.5
    other = tower | {f"{TOWER}text_proj": tower[f"{TOWER}text_proj"] + 1}
    _, lines = converted(saved(tmp_path / "b.pth", state | other), text_encoder=str(folder))
    assert lines[3].startswith(f"WARNING: the text tower is not the one in {folder}")
    assert "text_projection.weight" in lines[3]
    with pytest.raises(CheckpointError, match="with --text-encoder FOLDER"):
        load_model(out, device="cpu", text_encoder=tiny_clip(tmp_path / "other"))
    _, lines = converted(saved(tmp_path / "c.pth", state), text_encoder=str(folder))
    assert lines[2] == f"the file holds no text tower; the model will use {folder}"


def test_without_either_it_is_a_start_for_training(tmp_path):
    _, state = original()
    out, lines = converted(saved(tmp_path / "a.pth", state))
    assert "this is a start for training" in lines[-1]
    model = load_model(out, device="cpu")
    assert model.class_embeddings.isnan().all()
    assert model.card["class_embeddings"] == "none yet"
    with pytest.raises(InputError, match="no class embeddings yet"):
        encoded(model, scan_of())


def test_what_does_not_fit_is_listed(tmp_path, clip):
    _, state = original()
    broken = dict(state)
    del broken["type_embedding.weight"]
    broken["decoder.out_norm.weight"] = torch.zeros(3)
    broken["decoder.extra"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"type_embedding\.weight: missing; decoder\.extra: unexpected") as error:
        converted(saved(tmp_path / "a.pth", broken))
    assert "decoder.out_norm.weight: expected [16], got [3]" in str(error.value)
    tower = dict(clip[1])
    del tower[f"{TOWER}text_pe"]
    with pytest.raises(CheckpointError, match="positional_embedding"):
        converted(saved(tmp_path / "b.pth", state | tower))
    with pytest.raises(CheckpointError, match="is no checkpoint of UniSeg3D"):
        converted(saved(tmp_path / "c.pth", {"backbone.weight": torch.zeros(2)}))
    assert not list(tmp_path.glob("*.safetensors"))


def test_useless_choices_are_refused(tmp_path, clip):
    path = saved(tmp_path / "a.pth", original()[1])
    embeddings_file(tmp_path / "wide.pth", width=50)
    with pytest.raises(InputError, match=r"expected class embeddings float \[20, K, 48\]"):
        converted(path, class_embeddings=tmp_path / "wide.pth")
    with pytest.raises(InputError, match="preset is a choice for"):
        converted(path, preset="uniseg3d.scannet")
    with pytest.raises(InputError, match="class_embeddings is a choice for uniseg3d"):
        convert("lground", path, tmp_path / "x.safetensors", class_embeddings=path)
    with pytest.raises(InputError, match=r"expected a folder with config\.json"):
        converted(path, text_encoder=str(tmp_path / "nowhere"))
    small = replace(SMALL, text_width=44)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_uniseg3d, "scannet", lambda: replace(scannet(), model=small))
        other = UniSeg3D(small, text_encoder=WordHash(44))
        with pytest.raises(InputError, match="expected sentence features of 44 channels, got 48"):
            converted(saved(tmp_path / "b.pth", official_state(other)), text_encoder=str(clip[0]))


def test_the_published_keys_fit():
    given = {k: v for k, v in load(GOLDEN / "uniseg3d" / "keys.json").items() if isinstance(v, list)}
    with torch.device("meta"):
        model = UniSeg3D(scannet().model, text_encoder=torch.nn.Identity())
    assert set(official_names(model).values()) == set(given)
