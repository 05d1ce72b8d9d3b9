"""Where a number comes from: the machine, the data's hash, and a hash of weights that their card does not change."""

import json

import pytest
import torch

from saymask import __version__
from saymask.hub.checkpoints import load_model, save_checkpoint
from saymask.hub.headers import find_checkpoint
from saymask.util.provenance import data_sha256, machine, provenance, weights_sha256


@pytest.fixture(scope="module")
def model():
    return load_model(None, "cpu")


def test_the_card_is_no_part_of_the_weights(model, tmp_path):
    one = save_checkpoint(model, tmp_path / "a.safetensors", {"metrics": {}}, "float16")
    other = save_checkpoint(model, tmp_path / "b.safetensors", {"metrics": {"refer": 1}}, "float16")
    assert one.read_bytes() != other.read_bytes()
    assert weights_sha256(one) == weights_sha256(other) == weights_sha256(find_checkpoint(None))
    with torch.no_grad():
        next(iter(model.parameters())).mul_(2)
    assert weights_sha256(save_checkpoint(model, other, dtype="float16")) != weights_sha256(one)


def test_other_files_have_none(tmp_path):
    from safetensors.numpy import save_file

    (tmp_path / "a.json").write_text("{}")
    save_file({}, tmp_path / "a.safetensors")
    assert weights_sha256(tmp_path / "a.json") is None
    assert weights_sha256(tmp_path / "a.safetensors") is None
    assert "weights_sha256" not in provenance(checkpoint=tmp_path / "a.json")
    assert "checkpoint_sha256" not in provenance(checkpoint=tmp_path / "none.safetensors")


def test_data_is_its_manifest_or_all_its_files(tmp_path):
    assert data_sha256(tmp_path) is None
    (tmp_path / "a.npz").write_text("1")
    first = data_sha256(tmp_path)
    (tmp_path / "b.npz").write_text("2")
    second = data_sha256(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    third = data_sha256(tmp_path)
    (tmp_path / "b.npz").write_text("3")
    assert len({first, second, third}) == 3
    assert data_sha256(tmp_path) == third


def test_it_says_what_ran_and_on_what():
    facts = provenance()
    assert facts["saymask"] == __version__
    assert machine().items() <= facts.items()
    assert facts["cores"] >= 1
    assert facts["command"]
    json.dumps(facts)
