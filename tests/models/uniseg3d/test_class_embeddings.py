"""Class embeddings: the ways to say a class, the average over prompts, the official file."""

import json
import pickle

import pytest
import torch
import torch.nn.functional as F

from saymask.errors import InputError
from saymask.hub.checkpoints import load_model, save_checkpoint
from saymask.hub.headers import read_metadata
from saymask.models.uniseg3d import UniSeg3D, UniSeg3DConfig
from saymask.models.uniseg3d.class_embeddings import (
    PROMPTS,
    alternatives,
    load_class_embeddings,
    make_class_embeddings,
)
from saymask.text import lazy, load_text_encoder
from tests.models.fakes import WordHash
from tests.text.tiny import tiny_bert, tiny_clip


@pytest.fixture(scope="module", params=["bert", "clip"])
def encoder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    return load_text_encoder(str({"bert": tiny_bert, "clip": tiny_clip}[request.param](folder)))


def test_alternatives():
    assert alternatives("door_or_gate") == alternatives("Door/ gate") == alternatives("door,gate,") == ("door", "gate")
    assert alternatives("shower_curtain") == ("shower curtain",)
    assert alternatives("floor") == ("floor",)  # `or` inside a word is no alternative
    assert alternatives("chair,Chair") == ("chair",)
    for bad in ("", " ", ",/"):
        with pytest.raises(InputError, match="at least one word"):
            alternatives(bad)


def test_the_average_over_prompts(encoder):
    names = ["chair", "table,round_table,lamp", "lamp"]
    made = make_class_embeddings(names, encoder)
    assert made.shape == (3, 3, encoder.sentence_dim)
    assert made.dtype == torch.float32
    assert not made.requires_grad
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(3, 3))
    assert torch.equal(made[0, 0], made[0, 1])
    assert torch.equal(made[0, 0], made[0, 2])
    assert torch.equal(made[1, 2], made[2, 0])  # one word, one direction
    with torch.no_grad():
        rows = [F.normalize(encoder([p.format("round table")]).sentence[0], dim=0) for p in PROMPTS]
    torch.testing.assert_close(made[1, 1], F.normalize(torch.stack(rows).mean(0), dim=0), atol=1e-5, rtol=1e-5)
    small = make_class_embeddings(names, encoder, batch_size=5)
    torch.testing.assert_close(small, made, atol=1e-5, rtol=1e-5)
    one = make_class_embeddings(["lamp"], encoder, ["a {}"])
    with torch.no_grad():
        torch.testing.assert_close(one[0], F.normalize(encoder(["a lamp"]).sentence, dim=-1), atol=1e-5, rtol=1e-5)


def test_bad_names_and_prompts(encoder):
    for names in ("chair", []):
        with pytest.raises(InputError, match="expected a list"):
            make_class_embeddings(names, encoder)
    with pytest.raises(InputError, match=r"one \{\} for the name"):
        make_class_embeddings(["chair"], encoder, ["a chair"])


def test_the_official_file(tmp_path):
    embeddings = F.normalize(torch.randn(20, 3, 768), dim=-1)
    path = tmp_path / "scannet_cls_embedding.pth"
    torch.save(embeddings.half(), path)
    loaded = load_class_embeddings(path)
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded, embeddings, atol=1e-3, rtol=1e-3)
    torch.save(embeddings[..., :384].div(0.7), path)
    with pytest.raises(InputError, match=r"\[20, K, 768\] with K > 0, got torch.float32 \[20, 3, 384\]"):
        load_class_embeddings(path)
    with pytest.raises(InputError, match="length 1"):
        load_class_embeddings(path, text_width=384)
    for content, got in ((embeddings[:18], "18, 3"), (embeddings[:, 0], "20, 768"), ({"a": 1}, "dict")):
        torch.save(content, path)
        with pytest.raises(InputError, match=got):
            load_class_embeddings(path)
    spoiled = embeddings.clone()
    spoiled[2, 1, 5] = torch.nan
    torch.save(spoiled, path)
    with pytest.raises(InputError, match="length 1"):
        load_class_embeddings(path)
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(InputError, match="refused"):
        load_class_embeddings(path)


def test_the_official_file_as_a_setting_of_training(tmp_path, monkeypatch):
    made = F.normalize(torch.randn(20, 3, 48, generator=torch.Generator().manual_seed(3)), dim=-1)
    path, said = tmp_path / "scannet_cls_embedding.pth", []
    torch.save(made, path)
    config = UniSeg3DConfig(
        widths=(8, 12),
        block_reps=1,
        text_width=48,
        width=16,
        heads=2,
        layers=1,
        ffn_width=24,
        class_embeddings=str(path),
    )
    settled = UniSeg3D.settled(config)
    assert settled.class_prototypes == 3
    model = UniSeg3D(settled, text_encoder=WordHash(48))
    model.set_class_embeddings(F.normalize(torch.ones(20, 1, 48), dim=-1))  # those of a start are replaced
    model.begin_training(tmp_path, (), said.append)
    assert torch.equal(model.class_embeddings, made)
    assert said == ["20 class embeddings of scannet_cls_embedding.pth, 3 texts each"]
    out = save_checkpoint(model, tmp_path / "out.safetensors", {"name": "out", "preset": "uniseg3d.scannet"})
    path.unlink()
    header = json.loads(read_metadata(out)["config"])
    assert (header["class_embeddings"], header["class_prototypes"]) == (
        "scannet_cls_embedding.pth",
        3,
    )  # not where it lay
    monkeypatch.setattr(lazy, "load_text_encoder", lambda name: WordHash(48))
    assert torch.equal(load_model(out, device="cpu").class_embeddings, made)
    with pytest.raises(InputError, match=r"scannet_cls_embedding\.pth"):
        UniSeg3D.settled(config)
