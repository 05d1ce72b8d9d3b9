"""Open-vocabulary numbers with frames: masks of a model, named by what an encoder of colours sees in the frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saymask import cli
from saymask.answers import Objects
from saymask.data.scenes import save_scene
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tasks import find_by_frames
from saymask.labels.tables import scannet200
from saymask.models.base import Model
from saymask.util.files import write_text
from tests.scene.open_vocabulary.coloured_room import (
    COLORS,
    ColourEncoder,
    make_room,
    write_masks,
    write_room,
)

NAMES = {"red": "chair", "green": "table", "blue": "bed"}
SCENES = ("scene0000_00", "scene0001_00")


class Named(ColourEncoder):
    """Knows the colours by the names of things."""

    def __init__(self, names=NAMES):
        super().__init__()
        self.colours = {name: colour for colour, name in names.items()}

    def texts(self, texts):
        return super().texts([self.colours.get(text, text) for text in texts])


class Proposer(Model):
    """Has the masks of the room, unnamed, and is asked for nothing else."""

    system = "proposer"
    has_proposals = True

    def __init__(self, room):
        super().__init__()
        self.room, self.weight = room, nn.Parameter(torch.ones(()))
        self.card = {"name": "proposer"}

    def prepare(self, scan, annotations=(), *, rng=None):
        return scan

    def collate(self, samples):
        return self

    def encode_batch(self, batch):
        return None

    def losses(self, batch):
        return {}

    def find(self, encoded, names, *, threshold=None):
        raise AssertionError("the frames name the masks")

    def proposals(self, encoded):
        masks = self.room.masks
        count = len(masks)
        return Objects(masks.support, np.ones(count, np.float32), np.zeros(count, int), masks.index, ("object",), (0,))


@pytest.fixture(scope="module")
def room():
    return make_room()


@pytest.fixture(scope="module")
def data(tmp_path_factory, room):
    root = tmp_path_factory.mktemp("named")
    index = {c.name: i for i, c in enumerate(scannet200())}
    classes = np.array([index[NAMES[colour]] if colour in NAMES else index["floor"] for colour in COLORS])
    (root / "scenes").mkdir()
    for scene in SCENES:
        labels = {
            "semantic200": classes[room.owner].astype(np.int16),
            "semantic20": np.zeros(len(room.owner), np.int16),
            "instance": room.owner.astype(np.int32),
        }
        save_scene(root / "scenes" / f"{scene}.safetensors", replace(room.scan, name=scene, labels=labels), objects={})
        owners = write_room(root / "frames" / scene, 4)
        (root / "masks").mkdir(exist_ok=True)
        write_masks(root / "masks" / scene, owners)
    write_text(root / "manifest.json", '{"name": "named", "splits": {"val": ["scene0000_00", "scene0001_00"]}}')
    return root


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    named = Named()
    monkeypatch.setattr(find_by_frames, "load_pair", lambda name, device: named)
    monkeypatch.setattr(find_by_frames, "find_weights", lambda name, flag: name)
    return named


def request(data, **more):
    return Request(data, task="find", frames=data / "frames", every=1, quiet=True, device="cpu", **more)


@pytest.mark.parametrize("masks", [False, True])
def test_published_steps(data, room, encoder, monkeypatch, masks):
    monkeypatch.setattr(find_by_frames, "TOP_PAIRS", len(NAMES))
    asked = request(data, protocol="uniseg3d", image_masks=data / "masks" if masks else None)
    result = evaluate(Proposer(room), asked)
    assert (result["scans"], result["protocol"]) == (2, "uniseg3d")
    overall = result["metrics"]["overall"]
    assert (overall["n"], overall["ap"], overall["ap25"]) == (3, 1.0, 1.0)
    assert encoder.crops  # the frames have been looked at
    # The names decide: with two of them changed, one of three is right.
    encoder.colours |= {"chair": "green", "table": "red"}
    assert evaluate(Proposer(room), asked)["metrics"]["overall"]["ap"] == pytest.approx(1 / 3)


def test_the_best_600_pairs_count_alike(data, room):
    """As published, all pairs have the confidence 1: of P right among them the area is (P + 1) / 2."""
    overall = evaluate(Proposer(room), request(data, protocol="uniseg3d"))["metrics"]["overall"]
    assert 2 / 3 <= overall["ap"] <= 3 / 4  # one or two other boxes have each name, too


def test_plain_protocol_asks_for_the_names_that_occur(data, room):
    overall = evaluate(Proposer(room), request(data))["metrics"]["overall"]
    assert overall["n"] == 2 * 4
    assert overall["acc50"] == pytest.approx(3 / 4)  # the floor's grey is no name


def test_a_scan_without_masks(data, room):
    nothing = replace(room, masks=room.masks[[]])
    overall = evaluate(Proposer(nothing), request(data, protocol="uniseg3d"))["metrics"]["overall"]
    assert (overall["n"], overall["ap"]) == (3, 0.0)


def test_what_is_missing_is_said_before_any_work(data, room, tmp_path, capsys):
    (tmp_path / "some").mkdir()
    asked = request(data)
    for changes, said in (
        ({"frames": tmp_path / "none"}, "frames: expected a folder"),
        ({"frames": None, "image_masks": data / "masks"}, "expected frames that the masks are of"),
        ({"task": "click"}, "frames: expected task 'find' or 'all'"),
        ({"every": 0}, "every: expected 1 or more"),
        ({"frames": tmp_path / "some"}, r"got none for 2: scene0000_00, scene0001_00"),
        ({"image_masks": tmp_path / "some"}, r"folder of masks by the scan's name for each of 2 scans"),
    ):
        with pytest.raises(InputError, match=said):
            evaluate(Proposer(room), replace(asked, **changes))
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "default", "--data", str(data), "--task", "find", "--frames", str(tmp_path / "none")])
    assert "frames: expected a folder with those of every scan" in capsys.readouterr().err
