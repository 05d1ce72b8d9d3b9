"""Changed attributes of rare things: colours and sizes by hand, maps that lead to the names, and training with both."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.hub import checkpoints
from saymask.labels.tables import scannet200
from saymask.models.lground import LGround
from saymask.models.lground.anchors import ATTRIBUTES, make_anchors, save_anchors, scannet200_names
from saymask.models.lground.attributes import (
    HUES,
    attribute_maps,
    change_attributes,
    changed_features,
    coloured,
    joined,
    parted,
)
from saymask.models.lground.batch import ViewConfig, collate, make_sample
from saymask.models.lground.transform import Cloud, draws
from tests.emulated_cuda import emulated_cuda
from tests.models.fakes import WordHash
from tests.models.lground.test_model import HEADS, SMALL, scan_of

TAIL = next(c.index for c in scannet200() if c.split == "tail")
HEAD = next(c.index for c in scannet200() if c.split == "head" and not c.stuff)
RARE = ViewConfig().tail


def cloud_of(objects=400, n=30):
    """Boxes of 20 cm, every second one of a rare class."""
    rng = np.random.RandomState(0)
    instances = np.repeat(np.arange(objects), n)
    corner = rng.uniform(0, 8, (objects, 3))
    points = corner[instances] + rng.rand(objects * n, 3) * 0.2
    labels = np.where(instances % 2 == 0, TAIL, HEAD).astype(np.int64)
    colors = np.full((objects * n, 3), 100, np.uint8)
    return Cloud(points, colors, labels, instances)


def rare_scan(seed):
    """The scan of other tests, whose things are all of one rare class."""
    scan = scan_of(seed)
    classes = scan.labels["semantic200"]
    return replace(scan, labels={**scan.labels, "semantic200": np.where(classes > 2, TAIL, classes).astype(np.int16)})


def test_some_rare_things_change_and_nothing_else():
    cloud = cloud_of()
    found, attributes = change_attributes(cloud, RARE, draws(np.random.RandomState(1)))
    of = attributes[::30]
    assert (attributes == np.repeat(of, 30)).all()  # whole things
    assert (of[1::2] == 0).all()
    rare = of[::2]
    assert set(rare.tolist()) == set(range(9))
    assert 0.4 < np.isin(rare, range(1, 7)).mean() < 0.6
    assert 0.05 < (rare >= 7).mean() < 0.16  # half of 0.2
    same = attributes == 0
    np.testing.assert_array_equal(found.points[same], cloud.points[same])
    np.testing.assert_array_equal(found.colors[attributes >= 7], 100)
    for i in np.flatnonzero(of >= 7):
        rows = slice(30 * i, 30 * i + 30)
        before, after = cloud.points[rows], found.points[rows]
        factor = (np.ptp(after, axis=0) / np.ptp(before, axis=0)).round(6)
        assert len(set(factor.tolist())) == 1
        assert (1 <= factor[0] <= 1.5) if of[i] == 7 else (0.5 <= factor[0] <= 1)
        assert after[:, 2].min() == pytest.approx(before[:, 2].min())
        np.testing.assert_allclose((after.min(0) + after.max(0))[:2], (before.min(0) + before.max(0))[:2])


def test_colours():
    grey = np.full((1, 3), 100, np.float32)
    for attribute, hue in HUES.items():
        r, g, b = coloured(grey, attribute)[0] / 255
        assert colorsys.rgb_to_hsv(r, g, b)[0] == pytest.approx(hue, abs=0.02)
        assert max(r, g, b) == pytest.approx(100 / 255)  # as bright as before
    assert coloured(grey, 5).tolist() == [[50.0] * 3]
    assert coloured(grey, 6).tolist() == [[177.5] * 3]


def test_classes_and_attributes_stay_together():
    labels, attributes = np.array([-1, 0, 199, 7]), np.array([3, 0, 8, 2])
    back = parted(joined(labels, attributes, 200), 200)
    assert back[0].tolist() == labels.tolist()
    assert back[1].tolist() == [0, 0, 8, 2]


def test_maps_lead_to_the_names():
    torch.manual_seed(0)
    plain = torch.randn(50, 1, 64)
    shift = torch.cat([torch.zeros(1, 64), torch.randn(8, 64)])
    anchors = plain + shift + 0.3 * torch.randn(50, 9, 64) * (torch.arange(9) > 0)[:, None]
    maps, offsets = attribute_maps(anchors)
    for attribute in range(9):
        led = anchors[:, 0] @ maps[attribute] + offsets[attribute]
        assert torch.nn.functional.cosine_similarity(led, anchors[:, attribute]).min() > 0.95
    assert torch.allclose(maps[0], torch.eye(64), atol=1e-5)
    labels = torch.tensor([TAIL] * 5 + [HEAD] * 5 + [-1])
    features, changed = torch.randn(11, 64), set()
    for seed in range(30):
        torch.manual_seed(seed)
        out, attributes = changed_features(features, labels, torch.from_numpy(RARE), (maps, offsets))
        assert len(set(attributes[:5].tolist())) == 1
        assert (attributes[5:] == 0).all()
        assert torch.equal(out[5:], features[5:])
        assert torch.equal(out[:5], features[:5]) == (attributes[0] == 0)
        changed.add(int(attributes[0]))
    assert len(changed) > 4
    with pytest.raises(InputError, match="expected anchors"):
        attribute_maps(plain)
    with emulated_cuda():
        there = attribute_maps(anchors.to("cuda"))
        led, _ = changed_features(features.to("cuda"), labels.to("cuda"), torch.from_numpy(RARE).to("cuda"), there)
        assert led.is_cuda
    torch.testing.assert_close(there[0].cpu(), maps)


@pytest.mark.parametrize("kind", ["raw", "latent"])
def test_training_with_changed_attributes(kind, tmp_path):
    heads = {**HEADS["pretrain"], "view": replace(SMALL.view, attributes=kind)}
    config = LGround.settled(replace(SMALL, **heads))
    model = LGround(config, text_encoder=WordHash(12))
    model.set_anchors(make_anchors(scannet200_names(), WordHash(12), attributes=ATTRIBUTES))
    if kind == "latent":
        model._maps = attribute_maps(model.anchors)
    batch = model.collate([model.prepare(rare_scan(s), rng=np.random.RandomState(s)) for s in range(6)])
    if kind == "raw":
        assert batch.attributes is not None
        assert set(batch.labels[batch.attributes > 0].tolist()) <= set(np.flatnonzero(RARE).tolist())
        assert int((batch.attributes > 0).sum()) > 0
    assert int(batch.labels.max()) < 200
    loss = model.losses(batch)["contrast"]
    loss.backward()
    assert bool(loss.isfinite())
    out = checkpoints.save_checkpoint(model, tmp_path / "a.safetensors", {"name": "a", "preset": "lground.pretrain"})
    again = checkpoints.load_model(out, device="cpu")
    assert again.anchors.shape == (200, 9, 12)
    scan = replace(scan_of(0), labels={})
    encoded = again.eval().encode_batch(
        again.collate([again.prepare(replace(scan, superpoints=np.arange(len(scan)) // 9))])
    )
    assert len(again.semantic(encoded).index) == len(scan)  # told apart by the bare names


def test_labels_of_voxels_carry_the_attributes_through_everything():
    scan = rare_scan(3)
    config = replace(SMALL.view, attributes="raw", mix=1.0)
    samples = [make_sample(replace(scan, name=f"s{i}"), config, np.random.RandomState(i)) for i in range(6)]
    batch = collate(samples, config)
    assert batch.attributes is not None
    assert batch.labels is not None
    assert len(batch) == 3
    assert 0 < int(batch.attributes.max()) < 9
    assert set(batch.labels.tolist()) <= {-1, 0, 2, TAIL}


def test_what_does_not_fit_is_refused(tmp_path):
    view = replace(SMALL.view, attributes="raw")
    with pytest.raises(InputError, match=r"view\.attributes: expected a model that learns from text anchors"):
        LGround.settled(replace(SMALL, view=view))
    latent = {**HEADS["projected"], "view": replace(view, attributes="latent")}
    with pytest.raises(InputError, match="not projected anchors; use raw"):
        LGround.settled(replace(SMALL, **latent))
    file = save_anchors(tmp_path / "plain.safetensors", make_anchors(scannet200_names(), WordHash(12)))
    model = LGround(replace(SMALL, **{**HEADS["pretrain"], "view": view, "anchors": str(file)}))
    with pytest.raises(InputError, match="needs names with 9 attributes"):
        model.set_anchors(model._made_anchors())
