import json
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.hub import checkpoints, registry
from saymask.io.ply import write_ply
from saymask.labels.tables import scannet200
from saymask.masks import Masks
from saymask.models.base import Model, Preset
from saymask.scene.open_vocabulary import Views
from saymask.scene.open_vocabulary.views import unnamed
from tests.cli.test_cli import refused, run
from tests.scene.open_vocabulary.coloured_room import COLORS, ColourEncoder


@dataclass(frozen=True)
class BoxesConfig:
    floor: bool = True


class Boxes(Model):
    """Knows that there are objects, and calls all of them chairs and tables."""

    system = "boxes"

    def __init__(self, config: BoxesConfig) -> None:
        super().__init__()
        self.config = config
        self.card = {}
        self.nothing = nn.Parameter(torch.zeros(1))

    def prepare(self, scan, annotations=(), *, rng=None):
        return torch.from_numpy(scan.colors.astype(np.float32))

    def collate(self, samples):
        return torch.stack(samples)

    def encode_batch(self, batch):
        paints = torch.tensor(list(COLORS.values()), dtype=torch.float32)
        return torch.cdist(batch[0], paints).argmin(1).numpy()

    def losses(self, batch):
        return {"nothing": self.nothing.sum()}

    def instances(self, encoded):
        masks = encoded == np.array([0, 1, 2, 0])[:, None]
        return Objects(
            masks,
            np.array([0.9, 0.8, 0.7, 0.6]),
            np.array([0, 0, 0, 1]),
            np.arange(len(encoded)),
            ("chair", "table"),
            (5, 7),
        )


class Knowing(Boxes):
    """Has unnamed masks beside its instances: the floor is one of them."""

    system = "knowing"
    has_proposals = True

    def proposals(self, encoded):
        masks = encoded == np.arange(4)[:, None]
        return Objects(masks, np.ones(4), np.zeros(4, int), np.arange(len(encoded)), ("object",), (0,))


def tiny() -> Preset:
    return Preset("boxes.tiny", "boxes", BoxesConfig())


@pytest.fixture
def views(recorded):
    return Views(recorded / "frames", ColourEncoder(), every=1)


def test_words_are_found_by_what_the_frames_show(room, views, recorded):
    scene = Boxes(BoxesConfig()).encode(room.scan)
    for frames in (views, Views(recorded / "frames", ColourEncoder(), masks=recorded / "masks", every=1)):
        found = scene.find(["blue", "red", "piano"], frames=frames)
        assert set(found.names) == {"blue", "red"}
        for i, name in enumerate(found.names):
            np.testing.assert_array_equal(found.points(i), room.owner == list(COLORS).index(name))
            assert found.labels[i] == ["blue", "red"].index(name) + 1
        assert "nothing fits: piano" in found.message
        assert {"find", "instances"} <= set(scene.seconds)
    with pytest.raises(InputError, match="answers instances, not find"):
        scene.find("red")
    with pytest.raises(InputError, match="twice"):
        scene.find(["red", "Red"], frames=views)


def test_a_threshold_marks_less(room, views):
    scene = Knowing(BoxesConfig()).encode(room.scan)  # the floor's regions cover edges of the boxes
    counts = [len(scene.find(list(COLORS), frames=views, threshold=level)) for level in (0, None, 0.99, 1)]
    assert counts == [16, 4, 1, 0]


def test_the_models_unnamed_masks_are_preferred(room, views):
    scene = Knowing(BoxesConfig()).encode(room.scan)
    assert len(scene.proposals()) == 4
    found = scene.find(list(COLORS), frames=views)
    np.testing.assert_array_equal(found.points(found.names.index("grey")), room.owner == 3)
    assert "grey" not in Boxes(BoxesConfig()).encode(room.scan).find(list(COLORS), frames=views).names


def test_proposals_are_each_mask_once(room):
    scene = Boxes(BoxesConfig()).encode(room.scan)
    assert len(scene.instances()) == 4
    found = scene.proposals()
    assert found.names == ("object",) * 3
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7])
    empty = Masks(room.scan, np.zeros((0, 5), bool), np.zeros(len(room.scan), int), np.zeros(0, np.float32), ())
    assert len(unnamed(empty)) == 0


def test_the_frames_are_gone_through_once_per_scene(room, recorded):
    encoder, told = ColourEncoder(), []
    views = Views(recorded / "frames", encoder, every=1, say=told.append)
    scene = Boxes(BoxesConfig()).encode(room.scan)
    answers = []
    threads = [
        threading.Thread(target=lambda w=w: answers.append(scene.find(w, frames=views).names))
        for w in ("red", "green", "blue", "red")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [("blue",), ("green",), ("red",), ("red",)]
    assert len(encoder.crops) == 24
    assert len(told) == 1
    assert told[0].startswith("24 image regions of 8 frames")
    Boxes(BoxesConfig()).encode(room.scan).find("red", frames=views)
    assert len(encoder.crops) == 48


def test_frames_beside_others_are_found_by_the_scans_name(room, recorded):
    scan = replace(room.scan, name="frames")
    found = Boxes(BoxesConfig()).encode(scan).find("red", frames=Views(recorded, ColourEncoder(), every=1))
    assert found.names == ("red",)
    with pytest.raises(InputError, match="expected folders color/, depth/ and pose/"):
        Boxes(BoxesConfig()).encode(room.scan).find("red", frames=Views(recorded, ColourEncoder()))


def test_what_cannot_be_used_is_said_at_once(recorded, tmp_path):
    with pytest.raises(InputError, match="is not there"):
        Views(tmp_path / "nowhere", ColourEncoder())
    with pytest.raises(InputError, match="every: expected 1"):
        Views(recorded / "frames", ColourEncoder(), every=0)
    with pytest.raises(InputError, match="which is none"):
        Views(recorded / "frames", ColourEncoder(), masks=tmp_path / "nowhere")


def test_the_command(room, recorded, clip, tmp_path, capsys, monkeypatch):
    """With an untrained CLIP: the way is tested, what it says is not."""
    monkeypatch.setitem(registry.SYSTEMS, "boxes", f"{__name__}:Boxes")
    monkeypatch.setitem(registry.PRESETS, "boxes.tiny", f"{__name__}:tiny")
    model = checkpoints.save_checkpoint(registry.build("boxes.tiny"), tmp_path / "boxes.safetensors")
    columns = dict(zip("xyz", room.scan.points.T))
    columns |= {name: room.scan.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    write_ply(tmp_path / "room.ply", columns)
    line = ["find", tmp_path / "room.ply", "red", "lamp", "--model", model, "--unit", "m", "--up", "z"]
    line += ["--frames", recorded / "frames", "--every", "1", "--image-encoder", clip, "--threshold", "0"]
    code, out, err = run(capsys, *line, "--json")
    assert code == 0, err
    assert "frames: 24 image regions of 8 frames cover" in err
    report = json.loads(out)
    assert report["frames"] == str(recorded / "frames")
    assert {m["points"] for m in report["masks"]} == {int((room.owner == 0).sum())}
    scores = [m["score"] for m in report["masks"]]
    assert len(scores) == 6
    assert all(0 <= s <= 1 for s in scores)
    code, out, err = run(capsys, *line, "--image-masks", recorded / "masks")
    assert code == 0, err
    assert "frames: 32 image regions" in err
    assert "lamp  score" in out


def test_options_that_need_frames(capsys, tmp_path):
    assert "only with --frames" in refused(capsys, "find", "no-scan.ply", "lamp", "--image-masks", tmp_path)
    said = refused(capsys, "find", "no-scan.ply", "lamp", "--frames", tmp_path / "nowhere")
    assert "is not there" in said
    (tmp_path / "scan.ply").write_bytes(b"ply")  # it is not read before the encoder is looked for
    said = refused(capsys, "find", tmp_path / "scan.ply", "lamp", "--frames", tmp_path, "--image-encoder", tmp_path)
    assert "expected config.json and model.safetensors" in said


def test_rivals_are_all_classes_of_scannet200(room, views, monkeypatch):
    from saymask.scene.open_vocabulary import views as module

    seen = []
    monkeypatch.setattr(module, "different", lambda names, others, encoder: seen.append(tuple(others)) or ())
    Boxes(BoxesConfig()).encode(room.scan).find("red", frames=views)
    assert seen == [tuple(c.name for c in scannet200())]
