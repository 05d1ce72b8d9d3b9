"""What CONTRIBUTING.md says about a new model and a new scan format, done: one registry line each, then every step."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import saymask
from saymask.data.scenes import load_scene
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.hub import registry
from saymask.hub.checkpoints import save_checkpoint
from saymask.io import load
from saymask.io.cloud import Cloud, read_bytes, recognise, truncated
from saymask.training.run import train
from tests.models.toy_model import COLORS, THINGS, make_prepared, make_scan

ROW = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])


def read_toy(path: Path) -> Cloud:
    """Read the toy format: `TOY1`, the number of points as uint32, then x, y, z, red, green, blue per point."""
    data = read_bytes(path)
    if len(data) < 8 or data[:4] != b"TOY1":
        raise InputError(f"{path.name}: expected a file that begins with TOY1, got {data[:4]!r}; export it again")
    (count,) = struct.unpack("<I", data[4:8])
    if len(data) != 8 + count * ROW.itemsize:
        raise truncated(path, f"{count:,} points of {ROW.itemsize} bytes", f"{len(data) - 8:,} bytes")
    rows = np.frombuffer(data, ROW, offset=8)
    points = np.stack([rows[axis] for axis in "xyz"], axis=1)
    return recognise(Cloud("toy", points, {name: rows[name] for name in ROW.names or ()}, unit="m", up="z"))


def write_toy(path: Path, scan: saymask.Scan) -> Path:
    rows = np.empty(len(scan.points), ROW)
    for i, axis in enumerate("xyz"):
        rows[axis] = scan.points[:, i]
    for i, color in enumerate(("red", "green", "blue")):
        rows[color] = scan.colors[:, i]
    path.write_bytes(b"TOY1" + struct.pack("<I", len(rows)) + rows.tobytes())
    return path


@pytest.fixture(autouse=True)
def two_lines(monkeypatch):
    """Register the toy format and the toy model: a line each."""
    monkeypatch.setitem(load.READERS, "toy", "")  # taken back afterwards, as are the two below
    monkeypatch.setitem(registry.SYSTEMS, "toy", "")
    monkeypatch.setitem(registry.PRESETS, "toy.tiny", "")
    load.READERS["toy"] = "tests.test_extending:read_toy"
    registry.register("toy", "tests.models.toy_model:Toy", "tests.models.toy_model", "toy.tiny")


def test_a_format_is_one_file_and_one_line(tmp_path):
    expected, _ = make_scan(0)
    scan = saymask.load_scan(write_toy(tmp_path / "a.toy", expected), quiet=True)
    np.testing.assert_array_equal(scan.points, expected.points)
    np.testing.assert_array_equal(scan.colors, expected.colors)
    assert scan.has_color
    assert scan.source is not None
    assert list(scan.source.columns) == ["x", "y", "z", "red", "green", "blue"]


def test_what_all_formats_get_holds_for_a_new_one(tmp_path):
    original, _ = make_scan(0)
    original.points[3] = np.nan
    original.points[7] = original.points[8]
    scan = saymask.load_scan(write_toy(tmp_path / "a.TOY", original), quiet=True)
    assert len(scan.points) == len(original.points) - 2
    assert scan.source is not None
    assert scan.source.index[3] == -1
    assert scan.source.index[7] == scan.source.index[8]
    inches = saymask.load_scan(write_toy(tmp_path / "b.toy", make_scan(0)[0]), unit="in", quiet=True)
    np.testing.assert_allclose(inches.points, make_scan(0)[0].points * 0.0254, rtol=1e-6)


@pytest.mark.parametrize("content", [b"", b"TOY", b"PLY0\0\0\0\0", b"TOY1\xff\0\0\0", b"TOY1\x01\0\0\0" + bytes(14)])
def test_a_broken_file_of_a_new_format_is_said(tmp_path, content):
    (tmp_path / "a.toy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.toy: .*again"):
        saymask.load_scan(tmp_path / "a.toy")


def test_an_unknown_suffix_names_the_new_format(tmp_path):
    (tmp_path / "a.unknown").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.toy, got \.unknown"):
        saymask.load_scan(tmp_path / "a.unknown")


def test_a_model_is_its_folder_and_one_line(tmp_path):
    """From a file of the new format through the new model to a mask on every point of the file."""
    torch.manual_seed(0)
    model = registry.build("toy.tiny").eval()
    assert model.verbs == ("refer",)
    original, _ = make_scan(1)
    scan = saymask.load_scan(write_toy(tmp_path / "a.toy", original), quiet=True)
    scene = model.encode(scan)
    sentences = [f"the {color} {thing}" for color in COLORS for thing in THINGS]
    sentence, masks = next((s, m) for s, m in zip(sentences, scene.refer(sentences)) if len(m))
    assert masks.original(0).shape == (len(original.points),)
    masks.save(tmp_path / "hit.ply")
    again = saymask.load_scan(tmp_path / "hit.ply", quiet=True)
    assert again.source is not None
    np.testing.assert_array_equal(again.source.columns["mask_0"], masks.original(0))
    loaded = saymask.load_model(save_checkpoint(model, tmp_path / "toy.safetensors"))
    np.testing.assert_array_equal(loaded.encode(scan).refer(sentence).points(0), masks.points(0))


def test_a_new_model_is_trained_and_evaluated(tmp_path):
    data = make_prepared(tmp_path / "data", train=2, val=1)
    scan = load_scene(data / "scenes" / "scene0000_00.safetensors")
    torch.manual_seed(0)
    model = registry.build("toy.tiny")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train("toy.tiny", data, tmp_path / "run", accelerator="cpu", quiet=True)
    trained = saymask.load_model(tmp_path / "run" / "best.safetensors")
    assert any(not torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert trained.encode(scan).refer("the red chair").points(0).any()
    result = evaluate(trained, Request(data=data, protocol="scanrefer", quiet=True))
    assert result["protocol"] == "scanrefer"
    assert result["metrics"]["overall"]["n"] == 4


@pytest.mark.parametrize("name", ["toy", "toy.", ".tiny", ""])
def test_a_preset_needs_both_halves_of_its_name(name):
    with pytest.raises(InputError, match=r"expected a name such as toy\.scanrefer"):
        registry.register("toy", "tests.models.toy_model:Toy", "tests.models.toy_model", name)
