"""LGround as a whole: every step of the model contract at a tiny size, and what its answers must have."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.data.prepare.folder import prepare
from saymask.data.scenes import read_manifest
from saymask.errors import InputError
from saymask.geometry.superpoints import superpoints_of
from saymask.hub import checkpoints, registry
from saymask.io.load import load_scan
from saymask.models.lground import LGround, LGroundConfig
from saymask.models.lground import model as lground_model
from saymask.models.lground.anchors import load_anchors, make_anchors, save_anchors, scannet200_names
from saymask.models.lground.batch import ViewConfig
from saymask.models.lground.cluster import Clustering
from saymask.models.lground.insert import Insertion
from saymask.models.lground.memory import bytes_per_voxel, piece_of
from saymask.models.lground.postprocess import group_found, make_support
from saymask.models.lground.transform import Augmentation
from saymask.nn.res16unet.plan import small_plan
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.data.fake_scannet import make_fake_scannet
from tests.models.fakes import WordHash, small_scan

NETWORK = small_plan((8, 8, 12, 12, 12, 8, 8, 8), stem=8)
SMALL = LGroundConfig(
    network=NETWORK, view=ViewConfig(voxel_size=0.05, augment=Augmentation(elastic=0.0)), encoder="word-hash",
    text_width=12, superpoints=True, clustering=Clustering(radius=2.0, min_points=2, propose_points=3),
)  # fmt: skip
HEADS = {
    "pretrain": {"classifier": False, "text": "lifted"},
    "projected": {"classifier": False, "text": "anchors"},
    "wide": {"classifier": False, "text": "features", "text_width": 8},
    "classes": {},
    "focal": {"loss": "focal"},
    "finetune": {"trainable": "classifier"},
    "objects": {"offsets": True},
    "all": {"offsets": True, "text": "lifted"},
    "voxels": {"offsets": True, "text": "lifted", "superpoints": False},
}
every_head = pytest.mark.parametrize("heads", HEADS)


def scan_of(seed: int = 0, points: int = 3000, *, labels: bool = True) -> Scan:
    """Boxes of four classes on a floor."""
    scan = small_scan(seed, points)
    instance = scan.labels["instance"]
    classes = np.where(instance >= 0, np.array([0, 3, 50, 180])[instance], 2).astype(np.int16)
    return replace(scan, labels={"instance": instance, "semantic200": classes} if labels else {})


def tiny(heads: str = "all", seed: int = 0, **changes) -> LGround:
    torch.manual_seed(seed)
    config = replace(SMALL, **{**HEADS[heads], **changes})
    model = LGround(config, text_encoder=WordHash(config.text_width))
    if config.text != "none":
        model.set_anchors(make_anchors([c.name for c in model.classes], model.text_encoder()))
    return model.eval()


def training_batch(model: LGround, seeds=(0, 1)):
    return model.collate([model.prepare(scan_of(s), rng=np.random.RandomState(s)) for s in seeds])


def encoded(model: LGround, *seeds: int):
    return model.encode_batch(model.collate([model.prepare(scan_of(s, 2500 + 700 * s)) for s in seeds]))


@every_head
def test_verbs_follow_the_heads(heads):
    model = tiny(heads)
    expected = {"semantic"} | ({"instances"} if model.config.offsets else set())
    expected |= {"find"} if model.config.text != "none" else set()
    assert set(model.verbs) == expected


@every_head
def test_every_point_gets_a_class(heads):
    model = tiny(heads)
    answer = model.semantic(encoded(model, 0))
    assert len(answer.index) == 2500
    assert answer.index.min() == 0
    assert answer.index.max() == len(answer.classes) - 1
    assert answer.classes.min() >= 0
    assert answer.classes.max() < 200
    assert ((answer.probabilities > 0) & (answer.probabilities <= 1)).all()
    assert answer.names[0] == "chair" or len(answer.names) == 200
    assert answer.ids == tuple(c.id for c in model.classes)


@every_head
def test_two_scans_together_are_as_one_by_one(heads):
    model = tiny(heads)
    both = encoded(model, 0, 1)
    for number, together in enumerate(both.scans):
        alone = encoded(model, number).scans[0]
        np.testing.assert_array_equal(together.index, alone.index)
        for name in ("features", "logits"):
            a, b = getattr(together, name), getattr(alone, name)
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(together.vertices, alone.vertices, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="one scan"):
        model.semantic(both)


@every_head
def test_a_step_lowers_the_loss(heads):
    model = tiny(heads).train()
    batch = training_batch(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(12):
        torch.manual_seed(0)
        terms = model.losses(batch)
        total = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < losses[0]


def test_all_weights_of_all_heads_learn():
    model = tiny("all").train()
    torch.stack(list(model.losses(training_batch(model)).values())).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_the_third_stage_trains_the_classifier_alone():
    model = tiny("finetune").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.stack(list(model.losses(training_batch(model)).values())).sum().backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"network.classifier.weight", "network.classifier.bias"}
    published = tiny("finetune", train_statistics=True).train()
    before = {k: v.clone() for k, v in published.state_dict().items()}
    published.losses(training_batch(published))
    changed = {k for k, v in published.state_dict().items() if not torch.equal(v, before[k])}
    assert any("running_mean" in name for name in changed)


def test_losses_of_the_third_stage_are_those_of_the_second():
    frozen, whole = tiny("finetune").train(), tiny("classes").train()
    whole.network.train(False)
    batch = training_batch(whole)
    a, b = frozen.losses(batch)["semantic"], whole.losses(batch)["semantic"]
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    a.backward()
    b.backward()
    torch.testing.assert_close(
        frozen.network.classifier.weight.grad, whole.network.classifier.weight.grad, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("contrast", ["anchors", "anchors-ce", "anchors-mse", "voxels"])
def test_every_contrast_gives_gradients(contrast):
    model = tiny("pretrain", contrast=contrast, norm_penalty=True, contrasted=200).train()
    terms = model.losses(training_batch(model))
    assert set(terms) == {"contrast", "norm"}
    terms["contrast"].backward()
    assert float(model.lift.weight.grad.abs().sum()) > 0


def test_mixing_makes_one_scene_of_two():
    model = tiny("classes", view=replace(SMALL.view, mix=1.0)).train()
    assert len(training_batch(model)) == 1
    assert "semantic" in model.losses(training_batch(model))


def test_instances_are_disjoint_things_best_first():
    model = tiny("all")
    answer = model.instances(encoded(model, 0))
    assert (answer.masks.sum(0) <= 1).all()
    assert (np.diff(answer.scores) <= 0).all()
    assert all(0 <= s <= 1 for s in answer.scores)
    stuff = {c.index for c in model.classes if c.stuff}
    assert not stuff & set(answer.classes.tolist())


def test_semantic_takes_names():
    model = tiny("pretrain")
    names = ["chair", "a lamp", "toilet"]
    answer = model.semantic(encoded(model, 0), names)
    assert answer.names == tuple(names)
    assert answer.ids == (1, 2, 3)
    assert answer.classes.max() < 3
    with pytest.raises(InputError, match="one with text"):
        tiny("classes").semantic(encoded(tiny("classes"), 0), names)
    with pytest.raises(InputError, match="scannet200"):
        model.semantic(encoded(model, 0), "scannet20")


def test_find_marks_more_at_a_lower_threshold():
    model = tiny("all")
    scene = encoded(model, 0)
    marked = [model.find(scene, ["chair", "wall"], threshold=t).masks.any(0).sum() for t in (0.0, 0.3, 0.6, 1.0)]
    assert marked == sorted(marked, reverse=True)
    answer = model.find(scene, ["chair", "wall"], threshold=0.0)
    assert answer.names == ("chair", "wall")
    assert len(answer.best) == 2
    assert set(answer.classes.tolist()) <= {0, 1}


def test_found_parts_are_connected():
    places = torch.tensor([[0, 0, 0], [1, 0, 0], [20, 0, 0], [21, 0, 0], [40, 0, 0]])
    scan = make_support(places, np.arange(5), None, features=None, logits=None, offsets=None, voxel_size=0.05)
    fits = np.array([[0.9], [0.8], [0.7], [0.6], [0.1]], np.float32)
    answer = group_found(scan, fits, ("box",), 0.5, Clustering(min_points=1))
    np.testing.assert_array_equal(answer.masks, [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])
    np.testing.assert_allclose(answer.scores, [0.85, 0.65], atol=1e-6)
    assert answer.best == (pytest.approx(0.9),)
    assert len(group_found(scan, fits, ("box",), 0.95, Clustering(min_points=1)).scores) == 0


def test_superpoints_are_means_over_their_points():
    rng = np.random.RandomState(0)
    cells = torch.arange(6)[:, None].repeat(1, 3)
    index, superpoints = rng.randint(0, 6, 50), rng.randint(3, 7, 50) * 10
    logits = torch.from_numpy(rng.standard_normal((6, 4))).float()
    offsets = torch.from_numpy(rng.standard_normal((6, 3))).float()
    scan = make_support(cells, index, superpoints, features=None, logits=logits, offsets=offsets, voxel_size=0.1)
    for row, name in enumerate(np.unique(superpoints)):
        own = index[superpoints == name]
        np.testing.assert_allclose(scan.logits[row], logits[own].mean(0), atol=1e-5)
        np.testing.assert_allclose(scan.vertices[row], (cells[own] + offsets[own] / 0.1).float().mean(0), atol=1e-4)
        assert scan.size[row] == len(np.unique(own))
        assert (scan.index[superpoints == name] == row).all()


@every_head
def test_a_checkpoint_answers_the_same(heads, tmp_path, monkeypatch):
    model = tiny(heads)
    monkeypatch.setitem(registry.PRESETS, "lground.tiny", "saymask.models.lground.presets:rooms")
    model.card = {"name": "lground.tiny", "preset": "lground.tiny", "system": "lground", "verbs": list(model.verbs)}
    monkeypatch.setattr(registry, "preset", lambda name: replace(hub_rooms(), name=name, model=model.config))
    again = checkpoints.load_model(checkpoints.save_checkpoint(model, tmp_path / "a.safetensors"))
    assert again.verbs == model.verbs
    first, second = encoded(model, 0), encoded(again, 0)
    np.testing.assert_array_equal(model.semantic(first).classes, again.semantic(second).classes)


def hub_rooms():
    from saymask.models.lground.presets import rooms

    return rooms()


def test_presets_have_what_their_names_say():
    made = {name: registry.preset(name) for name in registry.PRESETS if name.startswith("lground.")}
    assert len(made) == 18
    for name, preset in made.items():
        assert preset.name == name
        verbs = LGround.answers(preset.model)
        assert "semantic" in verbs
        assert ("find" in verbs) == (preset.model.text != "none")
        assert ("instances" in verbs) == preset.model.offsets
        assert preset.train.source == "scans"
    assert made["lground.scannet200-finetune"].model.trainable == "classifier"
    assert made["lground.scannet200-focal"].model.loss == "focal"
    assert made["lground.scannet200-5pct"].model.view.annotated == 0.05
    assert made["lground.pretrain"].model.text == "features"
    for name, text in (("lground.pretrain-34c", "anchors"), ("lground.scannet200-34c", "none")):
        assert (made[name].model.network.features, made[name].model.text) == (96, text)
    for name in ("pretrain", "ce", "focal", "finetune"):
        stage = made[f"lground.long-tail-{name}"]
        assert (stage.train.epochs, stage.model.view.voxel_size) == (200, 0.04)


def test_the_scene_answers_without_superpoints_given():
    scene = Scene(tiny("all"), replace(scan_of(0), superpoints=None, labels={}))
    masks = scene.semantic()
    assert masks.dense.sum() == 3000
    assert masks.labels is not None


@pytest.mark.parametrize("heads", ["pretrain", "classes", "voxels"])
def test_features_of_every_point(heads, tmp_path):
    model, scan = tiny(heads), scan_of(0)
    found = Scene(model, scan).features()
    channels = 12 if model.config.text == "lifted" else model.config.network.features
    assert (found.dtype, found.shape) == (np.float16, (len(scan), channels))
    batch = model.collate([model.prepare(replace(scan, labels={}, superpoints=superpoints_of(scan)))])
    support = model.encode_batch(batch).scans[0]
    if heads == "voxels":  # answers are of voxels, too, whose features are kept for texts
        assert support.features is not None
        np.testing.assert_allclose(found, support.features.numpy()[support.index], rtol=2e-3, atol=2e-3)
    dropped = load_scan(np.concatenate([scan.points, [[np.nan] * 3]]))
    assert (Scene(model, dropped).features()[-1] == 0).all()


def test_labelled_points_come_from_a_list(tmp_path):
    scan = replace(scan_of(0), name="scene0000_00")
    rows = np.flatnonzero(scan.labels["semantic200"] == 3)[:7]
    torch.save({"scene0000_00": rows.tolist(), "scene0707_00": [0]}, tmp_path / "points20")
    make_fake_scannet(tmp_path / "raw", train=1, val=1)
    prepare(tmp_path / "raw", tmp_path / "data", workers=1, quiet=True)
    config = replace(SMALL, view=replace(SMALL.view, point_lists=str(tmp_path / "points20")))
    assert LGround.settled(config) == config
    model, said = LGround(config), []
    model.begin_training(tmp_path / "data", ("scene0000_00",), said.append)
    assert "points20 lists labelled points of 1 of 1 scans" in said
    labels = model.prepare(scan, rng=np.random.RandomState(0)).voxels.labels
    assert set(labels.tolist()) == {-1, 3}
    assert 0 < (labels == 3).sum() <= 7
    assert set(model.prepare(replace(scan, name="other"), rng=np.random.RandomState(0)).voxels.labels.tolist()) == {-1}
    assert len(set(model.prepare(scan).voxels.labels.tolist())) > 2  # all of them when testing
    with pytest.raises(InputError, match="expected points of the training scans, got none"):
        model.begin_training(tmp_path / "data", ("scene0001_00",), said.append)
    (tmp_path / "bad").write_bytes(b"no torch file")
    with pytest.raises(InputError, match="bad"):
        LGround.settled(replace(config, view=replace(config.view, point_lists=str(tmp_path / "bad"))))


def test_the_limit_of_voxels_follows_the_memory(tmp_path, monkeypatch):
    make_fake_scannet(tmp_path / "raw", train=1, val=1)
    prepare(tmp_path / "raw", tmp_path / "data", workers=1, quiet=True)
    model = tiny("objects", view=replace(SMALL.view, most_voxels=-1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    said = []
    monkeypatch.setattr(lground_model, "free_bytes", lambda: 8e8)
    model.begin_training(tmp_path / "data", ("scene0000_00",), said.append)
    first = model.config.view.most_voxels
    assert 1000 < first < 1e6
    assert any(line.startswith(f"at most {first:,} voxels per batch") for line in said)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = tiny("objects", view=replace(SMALL.view, most_voxels=-1))
    monkeypatch.setattr(lground_model, "free_bytes", lambda: 16e8)
    again.begin_training(tmp_path / "data", ("scene0000_00",), said.append)
    assert again.config.view.most_voxels == pytest.approx(2 * first, rel=0.02)
    monkeypatch.setattr(lground_model, "free_bytes", lambda: 1e6)
    with pytest.raises(InputError, match="take larger voxels"):
        tiny("objects", view=replace(SMALL.view, most_voxels=-1)).begin_training(
            tmp_path / "data", ("scene0000_00",), said.append
        )


def test_what_a_voxel_keeps_grows_with_the_network():
    sample = tiny("classes").prepare(scan_of(0), rng=np.random.RandomState(0))
    small, large = (
        bytes_per_voxel(tiny("classes", network=small_plan((w,) * 8, stem=8)), piece_of(sample, 500)) for w in (8, 16)
    )
    assert 1.3 * small < large < 2 * small  # what is kept of sites does not grow
    # At least the input of every convolution of the two finest blocks, four bytes a channel.
    assert small > 8 * 4 * 8


def test_anchors_of_another_width_are_refused_before_training(tmp_path):
    file = save_anchors(tmp_path / "wide.safetensors", make_anchors(scannet200_names(), WordHash(20)))
    config = replace(SMALL, **{**HEADS["projected"], "anchors": str(file)})
    with pytest.raises(InputError, match=r"expected \[200, 12\], got \[200, 20\] .*--model.text-width 20"):
        LGround.settled(config)
    for text in ("anchors", "lifted"):  # projected, one or the other
        wide = LGround.settled(replace(config, text_width=20, text=text))
        model = LGround(wide, text_encoder=WordHash(20))
        model.set_anchors(load_anchors(file))
        assert bool(torch.isfinite(model.losses(training_batch(model))["contrast"]))


def test_some_classes_are_grouped_without_offsets():
    moved = tiny("voxels")
    plain = moved.instances(encoded(moved, 0))
    things = {plain.names[c] for c in plain.classes}
    still = tiny("voxels", unshifted=tuple(things), unshifted_clustering=SMALL.clustering)
    with torch.no_grad():
        assert still.network.offset_out is not None
        still.network.offset_out.bias.fill_(1e3)  # offsets that tear nothing apart: they are not looked at
    there = tiny("voxels")
    with torch.no_grad():
        assert there.network.offset_out is not None
        there.network.offset_out.weight.zero_()
        there.network.offset_out.bias.zero_()
    a, b = still.instances(encoded(still, 0)), there.instances(encoded(there, 0))
    assert len(a.masks) == len(b.masks) > 0
    assert {m.tobytes() for m in a.masks} == {m.tobytes() for m in b.masks}
    with pytest.raises(InputError, match=r"unshifted: expected names of the 200 classes, got \['cupboards'\]"):
        LGround.settled(replace(SMALL, unshifted=("cupboards",)))


def test_wrong_use_is_said():
    with pytest.raises(InputError, match="nothing else to train"):
        LGroundConfig(classifier=False, text="features", trainable="classifier")
    with pytest.raises(InputError, match="answer nothing"):
        LGroundConfig(classifier=False)
    with pytest.raises(InputError, match="need a classifier"):
        LGroundConfig(classifier=False, text="lifted", offsets=True)
    with pytest.raises(InputError, match="as wide as the text"):
        LGroundConfig(network=NETWORK, text="features")
    model = LGround(replace(SMALL, **HEADS["pretrain"]), text_encoder=WordHash(12)).eval()
    with pytest.raises(InputError, match="no text anchors"):
        model.semantic(encoded(model, 0))
    with pytest.raises(InputError, match="superpoints"):
        model.prepare(replace(scan_of(0), superpoints=None))
    with pytest.raises(InputError, match="labels"):
        model.prepare(scan_of(0, labels=False), rng=np.random.RandomState(0))
    with pytest.raises(InputError, match=r"expected \[200, 12\], got .*--model\.text-width .*--model\.text anchors"):
        model.set_anchors(make_anchors(["chair"], WordHash(12)))
    with pytest.raises(InputError, match="no text head"):
        tiny("classes").set_anchors(make_anchors(["chair"], WordHash(12)))


def test_another_text_encoder_is_refused():
    model = tiny("all")
    other = LGround(model.config, text_encoder=WordHash(12))
    other._text.on("cpu").fingerprint = "another"
    other.load_state_dict(model.state_dict())
    with pytest.raises(InputError, match="not the one whose anchors"):
        other.find(encoded(other, 0), ["chair"])


def test_numbers_that_are_not_finite_are_said():
    model = tiny("all")
    with torch.no_grad():
        model.network.classifier.weight.fill_(torch.nan)
    with pytest.raises(InputError, match="finite logits"):
        model.semantic(encoded(model, 0))
    with torch.no_grad():
        model.network.offset_out.weight.fill_(torch.nan)
    with pytest.raises(InputError, match="finite offsets"):
        encoded(model, 0)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lground")
    make_fake_scannet(folder / "raw", train=2, val=1)
    prepare(folder / "raw", folder / "data", workers=1, quiet=True)
    return folder / "data"


def test_training_takes_frequencies_anchors_and_the_bank_from_the_data(prepared):
    config = replace(SMALL, text="lifted", loss="focal", view=replace(SMALL.view, insertion=Insertion(count=2)))
    model = LGround(config, text_encoder=WordHash(12))
    said: list[str] = []
    with pytest.warns(UserWarning, match="tail-instance sampling is off"):  # the fake scans have no tail object
        model.begin_training(prepared, read_manifest(prepared)["splits"]["train"], said.append)
    assert bool(model.anchors.isfinite().all())
    assert float(model.weights.std()) > 0
    assert any("text anchors" in line for line in said)
    assert any("have no example" in line for line in said)
