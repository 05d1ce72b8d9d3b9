"""Models with 2D features answer scans with frames and prepared scenes; what is missing is said before any work."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.data.prepare.folder import prepare
from saymask.data.scenes import load_scene, scene_path
from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.scene.inputs import load_for
from tests.data.fake_frames import record, write_sens
from tests.data.fake_scannet import make_fake_scannet
from tests.models.bqnet.test_model import tiny
from tests.nn.test_clip_image import tiny_tower

SCENE, NAME = "scene0000_00", "clip-vit-l14-336"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Raw scan, recording, tiny image model and prepared data with the features of that recording."""
    root = tmp_path_factory.mktemp("inputs")
    make_fake_scannet(root / "raw", train=1, val=0)
    prepare(root / "raw", root / "data", quiet=True)
    recording = record(load_scene(scene_path(root / "data", SCENE)).points, frames=31, seed=0)
    write_sens(root / "frames" / f"{SCENE}.sens", recording)
    tiny_tower(root / "tower")
    options = {"image_features": NAME, "image_weights": root / "tower", "frames": root / "frames", "quiet": True}
    assert prepare(root / "raw", root / "data", **options).ok
    return root


@pytest.fixture
def model():
    return tiny(image_features=NAME, image_width=24, count="one")


def test_a_prepared_scene_brings_its_features(folder, model, monkeypatch):
    path = scene_path(folder / "data", SCENE)
    scene = model.encode(str(path))
    expected = load_scene(path, NAME).image_features
    assert np.array_equal(load_for(model, path).image_features, expected)
    asked, refer = [], model.refer
    monkeypatch.setattr(model, "refer", lambda *args, count: asked.append(count) or refer(*args, count=count))
    for count in (None, "any", "one"):
        scene.refer("the red chair", count=count)
    assert asked == ["one", "any"]  # as the model was trained; what is known is not asked again
    with pytest.raises(InputError, match="count: expected one or any, got 'two'"):
        scene.refer("the red chair", count="two")
    (folder / "hit.ply").unlink(missing_ok=True)
    scene.refer("the red chair").save(folder / "hit.ply")
    assert len(load_scan(folder / "hit.ply", quiet=True)) > 0


@pytest.mark.parametrize("where", ["frames", f"frames/{SCENE}.sens"])
def test_frames_make_the_features_of_the_prepared_scene(folder, model, where):
    scan = replace(load_scene(scene_path(folder / "data", SCENE)), name=SCENE)
    scene = model.encode(scan, frames=folder / where, image_encoder=folder / "tower")
    expected = load_scene(scene_path(folder / "data", SCENE), NAME).image_features
    np.testing.assert_allclose(scene._encoded.batch.image[0].numpy(), expected, atol=2e-3)
    raw = model.encode(folder / "raw" / "scans" / SCENE, frames=folder / where, image_encoder=folder / "tower")
    assert torch.isfinite(raw._encoded.batch.image).all()
    assert raw.refer("the red chair") is not None


def test_what_is_missing_is_said_at_once(folder, model):
    with pytest.raises(InputError, match=r"bqnet takes 2D features clip-vit-l14-336 .*--frames FOLDER.*prepared scene"):
        model.encode(folder / "raw" / "scans" / SCENE)
    with pytest.raises(InputError, match="takes no 2D features: leave --frames out"):
        tiny().encode(load_scene(scene_path(folder / "data", SCENE)), frames=folder / "frames")
    stretched = tiny(image_features=NAME, image_width=24, stretched_images=True)
    with pytest.raises(InputError, match=r"no 2D features .* made --stretched"):
        stretched.encode(scene_path(folder / "data", SCENE))
