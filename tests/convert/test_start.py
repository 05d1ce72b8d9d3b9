"""A training begins with the tensors of an official file: a whole checkpoint, or a backbone alone."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from saymask.convert.start import start_from
from saymask.errors import CheckpointError
from saymask.hub import checkpoints
from saymask.hub.checkpoints import save_checkpoint
from saymask.models.bqnet import BQNet, BQNetConfig
from saymask.models.importing import names_of_parts, spconv_shape
from saymask.models.lground import LGround, LGroundConfig
from saymask.models.lground.official import official_state as lground_state
from saymask.models.uniseg3d import UniSeg3D
from saymask.models.uniseg3d.official import official_names
from saymask.models.uniseg3d.presets import scannet
from saymask.nn.res16unet.plan import small_plan
from saymask.nn.unet.network import SparseUNet
from tests.convert.test_uniseg3d import SMALL, official_state
from tests.models.fakes import WordHash
from tests.parity import GOLDEN, fill_state
from tests.parity.backbones import official_shapes


def fresh(seed=1):
    torch.manual_seed(seed)
    return UniSeg3D(SMALL, text_encoder=WordHash(48))


def file_of(path, state, entry="state_dict"):
    torch.save({entry: {f"module.{key}": value for key, value in state.items()}, "meta": {"epoch": 1}}, path)
    return path


def test_names_and_shapes_of_the_published_backbone():
    keys = json.loads((GOLDEN / "uniseg3d" / "keys.json").read_text())
    with torch.device("meta"):
        model = UniSeg3D(scannet().model, text_encoder=nn.Identity())
    own = model.state_dict()
    names = names_of_parts(model, {SparseUNet: SparseUNet.official_keys})
    assert len(names) > 200
    assert {key: spconv_shape(name, own[name].shape) for name, key in names.items()} == {
        key: keys[key]["shape"] if isinstance(keys[key], dict) else keys[key] for key in names.values()
    }


@pytest.mark.parametrize("entry", ["state_dict", "net"])
def test_a_backbone_starts_the_backbone_and_nothing_else(tmp_path, entry):
    source, model = fresh(0), fresh()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shapes = official_shapes(source.backbone.unet)
    state = fill_state(shapes) | {"linear.weight": torch.zeros(20, 8)}
    line = start_from(model, file_of(tmp_path / "sstnet_scannet.pth", state, entry))
    names = names_of_parts(model, {SparseUNet: SparseUNet.official_keys})
    assert line.startswith(
        f"{len(names)} of {len(checkpoints.stored_state(model))} tensors start from the official file "
    )
    assert line.endswith("1 of its tensors are not used, such as linear.weight")
    changed = {n for n, v in model.state_dict().items() if not torch.equal(v.nan_to_num(), before[n].nan_to_num())}
    assert changed <= names.keys()
    assert len(changed) > 0.7 * len(names)
    # The same tensors through the strict loader of the whole checkpoint.
    other = fresh(2)
    from saymask.models.uniseg3d.official import load_official

    load_official(other, official_state(other) | fill_state(shapes))
    for name in names:
        assert torch.equal(model.state_dict()[name], other.state_dict()[name]), name


def test_a_whole_checkpoint_starts_everything(tmp_path):
    model = fresh()
    state = official_state(model) | {"lang.text_encoder.text_pe": torch.zeros(77, 8)}
    line = start_from(model, file_of(tmp_path / "model_best.pth", state))
    assert line.startswith(f"{len(official_names(model))} of ")
    assert "not used" not in line  # the tower is frozen, and loaded by its name


def test_other_systems_take_the_same_backbone(tmp_path):
    config = BQNetConfig(widths=SMALL.widths, block_reps=1, text_width=48, width=16, heads=2, layers=1, ffn_width=24)
    model = BQNet(config, text_encoder=WordHash(48))
    shapes = official_shapes(model.backbone.unet)
    path = file_of(tmp_path / "sp_unet_backbone.pth", fill_state(shapes), "net")
    names = names_of_parts(model, {SparseUNet: SparseUNet.official_keys})
    assert start_from(model, path).startswith(f"{len(names)} of ")


def test_a_lightning_file_starts_lground(tmp_path):
    config = LGroundConfig(network=small_plan((4, 4, 8, 8, 8, 8, 4, 4)))
    torch.manual_seed(0)
    source, model = LGround(config), LGround(config)
    state = {f"model.{key}": value for key, value in lground_state(source.network).items()}
    torch.save({"state_dict": state, "pytorch-lightning_version": "1.6.5"}, tmp_path / "34C.ckpt")
    start_from(model, tmp_path / "34C.ckpt")
    for name, value in source.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value), name


def test_other_shapes_are_refused_by_name_and_may_be_left_out(tmp_path):
    wide = replace(SMALL, widths=(8, 16))
    source = UniSeg3D(wide, text_encoder=WordHash(48))
    path = file_of(tmp_path / "wide.pth", fill_state(official_shapes(source.backbone.unet)))
    model = fresh()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"unet\.conv\.2\.weight: expected \[12, 2, 2, 2, 8\], got \[16, .*init-exc"
    ):
        start_from(model, path)
    assert all(
        torch.equal(
            value,
            before[name],
        )
        for name, value in model.state_dict().items()
        if value.isfinite().all()
    )
    own = save_checkpoint(source, tmp_path / "own.safetensors", {"name": "wide", "preset": "uniseg3d.scannet"})
    with pytest.raises(CheckpointError, match=r"backbone\.unet\.levels\.\d\.\S+: expected .*init-except NAME"):
        start_from(model, own)
    left = [name for name in model.state_dict() if name.startswith("backbone.unet.levels.")]
    for file in (path, own):
        assert f"of {len(checkpoints.stored_state(model))} tensors" in start_from(
            model, file, ("backbone.unet.levels.",)
        )
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in left)
    torch.save({"state_dict": {"head.weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth shares no tensor with the model: none of its 1 names"):
        start_from(model, tmp_path / "other.pth")
