"""BQNet and CFNet as wholes: every step of the model contract at a tiny size."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.hub import checkpoints
from saymask.models.base import Model
from saymask.models.bqnet import BackbonePretraining, BQNet, BQNetConfig, PretrainConfig
from saymask.models.bqnet.cfnet import CFNet
from saymask.models.bqnet.pretrain import NONE, commonest
from saymask.nn.components import connected_components
from saymask.scene.scene import Scene
from tests.models.fakes import WordHash, annotation, small_scan

SMALL = BQNetConfig(
    voxel_size=0.1, widths=(8, 12, 16), block_reps=1, text_width=12, width=16, heads=2, layers=2, ffn_width=24,
    projection=8, seeds=20, queries=6, augment="rotate", parser="rules", smallest_mask=1,
)  # fmt: skip
ALL = {"feature_refinement": True, "spatial_constraint": True, "query_focusing": True}
SENTENCES = ("the red box beside the other box", "it is a box . it is on the floor", "the piano")


def tiny(kind: type[BQNet] = BQNet, seed: int = 0, **changes) -> BQNet:
    torch.manual_seed(seed)
    changes = {**(ALL if kind is CFNet else {}), **changes}
    return kind(replace(SMALL, **changes), text_encoder=WordHash(12)).eval()


every_kind = pytest.mark.parametrize("kind", [BQNet, CFNet])


def asked(scan: str, *targets: tuple[int, ...]):
    return [replace(annotation(s, *t, scan=scan), ann_id=i) for i, (s, t) in enumerate(zip(SENTENCES, targets))]


def batch_of(model: Model, seeds=(0, 1), targets=((0,), (1, 2), ())):
    samples = [
        model.prepare(small_scan(s, 2000 + 500 * s), asked(f"small{s}", *targets), rng=np.random.RandomState(s))
        for s in seeds
    ]
    return model.collate(samples)


def encoded(model: Model, *seeds: int):
    return model.encode_batch(model.collate([model.prepare(small_scan(s, 2000 + 700 * s)) for s in seeds]))


@every_kind
def test_one_mask_or_any_number(kind):
    model, scene = tiny(kind), encoded(tiny(kind), 0)
    assert model.verbs == ("refer",)
    one = model.refer(scene, SENTENCES, count="one")
    some = model.refer(scene, SENTENCES)
    superpoints = scene.batch.scans.sizes[0]
    for single, objects in zip(one, some, strict=True):
        assert single.logits.shape == (1, superpoints)
        assert 0 <= float(single.scores) <= 1
        assert single.best == pytest.approx(float(single.scores))
        assert objects.logits.shape[1] == superpoints
        assert len(objects.scores) == len(objects.logits)
        assert ((objects.logits > 0).sum(0) <= 1).all()
        assert (objects.scores > 0.5).all()
        assert objects.best == pytest.approx(single.best)
        assert len(objects.index) == 2000
        assert objects.index.max() == superpoints - 1


@every_kind
def test_sentences_together_equal_one_by_one(kind):
    model = tiny(kind)
    scene = encoded(model, 0)
    together = model.refer(scene, [*SENTENCES] * 7, count="one")
    for sentence, prediction in zip([*SENTENCES] * 7, together, strict=True):
        alone = model.refer(scene, [sentence], count="one")[0]
        torch.testing.assert_close(prediction.logits, alone.logits, rtol=1e-4, atol=1e-4)


@every_kind
def test_scans_together_equal_one_by_one(kind):
    model = tiny(kind)
    together = model.refer(encoded(model, 0, 1), SENTENCES[:2], count="one")
    for seed, sentence, prediction in zip((0, 1), SENTENCES, together, strict=False):
        alone = model.refer(encoded(model, seed), [sentence], count="one")[0]
        torch.testing.assert_close(prediction.logits, alone.logits, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="one sentence for each of 2 scans, got 3"):
        model.refer(encoded(model, 0, 1), SENTENCES)


@every_kind
def test_training_step(kind):
    model = tiny(kind).train()
    assert not model.text_encoder.training
    terms = model.losses(batch_of(model))
    assert set(terms) == {"mask", "dice", "score", "sample", "indicator", "semantic", "triplet"}
    sum(terms.values()).backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
    touched = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched == {"backbone", "decoder"}


def test_training_fits_two_scans():
    model = tiny().train()
    batch = batch_of(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    totals = []
    for _ in range(40):
        total = sum(model.losses(batch).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.6 * totals[0]


def test_batches_without_any_target_train():
    model = tiny().train()
    total = sum(model.losses(batch_of(model, targets=((), (), ()))).values())
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    nan = tiny(empty_is_nan=True).train()
    assert not torch.isfinite(sum(nan.losses(batch_of(nan, targets=((), (), ()))).values()))


def test_objects_without_a_superpoint_are_skipped():
    model = tiny().train()
    assert torch.isfinite(sum(model.losses(batch_of(model, targets=((77,), (0, 77), ()))).values()))


def test_losses_need_annotations():
    model = tiny()
    with pytest.raises(InputError, match="expected samples with annotations"):
        model.losses(model.collate([model.prepare(small_scan(0))]))


def test_text_dropout_is_the_official_quirk():
    model = tiny(text_dropout=True).train()
    assert model.text_encoder.training
    assert not model.eval().text_encoder.training


def test_fewer_superpoints_than_seeds():
    model = tiny(seeds=200, queries=150)
    scan = small_scan(0, 600)
    predictions = Scene(model, replace(scan, superpoints=(scan.points[:, 0] > 1).astype(np.int32))).refer("a box")
    assert predictions.support.shape[1] == 2


def test_one_object_is_one_connected_part():
    plain, connected = tiny(), tiny(connected_objects=True)
    scene = encoded(plain, 0)
    graph = scene.touching(0)
    for a, b in zip(plain.refer(scene, SENTENCES, count="one"), connected.refer(scene, SENTENCES, count="one")):
        before, after = (a.logits[0] > 0).numpy(), (b.logits[0] > 0).numpy()
        assert (after <= before).all()
        assert len(set(connected_components(after, graph)[1].tolist())) <= 1
    apart = np.argwhere(graph.toarray() == 0)[0]
    masks = np.full((1, len(scene.weight(0))), -3, np.float32)
    masks[0, apart] = 3
    kept = (connected._one(scene, 0, masks, np.ones(1, np.float32)).logits[0] > 0).numpy()
    assert np.flatnonzero(kept).tolist() == [max(apart, key=lambda row: scene.weight(0)[row])]
    loose = tiny(connected_objects=True, one_threshold=1e-6).refer(scene, SENTENCES[:1], count="one")[0]
    assert int((loose.logits > 0).sum()) == scene.batch.scans.sizes[0]
    some, parts = plain.refer(scene, SENTENCES), connected.refer(scene, SENTENCES)
    for a, b in zip(some, parts, strict=True):
        assert len(b.logits) >= len(a.logits)
        assert ((a.logits > 0).any(0) == (b.logits > 0).any(0)).all()


def test_target_threshold():
    model = tiny(target_threshold=0.0)
    scene = encoded(model, 0)
    assert all(len(p.scores) for p in model.refer(scene, SENTENCES))
    assert not any(len(p.scores) for p in tiny(target_threshold=1.0).refer(scene, SENTENCES))


def test_position_encoding_starts_as_nothing():
    plain, placed = tiny().train(), tiny(position_encoding=True).train()
    placed.load_state_dict(plain.state_dict(), strict=False)
    a, b = plain.losses(batch_of(plain)), placed.losses(batch_of(placed))
    for name in a:
        torch.testing.assert_close(a[name], b[name])
    sum(b.values()).backward()
    for layer in (placed.decoder.places.scan, placed.decoder.places.mask):
        assert layer.weight.grad.abs().sum() > 0


def test_nothing_fits_is_said_with_the_probability():
    model = tiny(smallest_mask=10**9)
    masks = Scene(model, small_scan(0)).refer("the piano")
    assert len(masks) == 0
    assert masks.message.startswith("no object fits: the piano (the likeliest candidate has 0.")


@every_kind
def test_checkpoint_round_trip(kind, tmp_path, monkeypatch):
    model = tiny(kind)
    model.card = {"name": "tiny", "preset": f"{kind.system}.rooms", "system": kind.system}
    path = checkpoints.save_checkpoint(model, tmp_path / "tiny.safetensors")
    monkeypatch.setattr("saymask.text.lazy.load_text_encoder", lambda name: WordHash(12))
    again = checkpoints.load_model(path)
    assert type(again) is kind
    assert again.config == model.config
    scene, other = encoded(model, 0), encoded(again, 0)
    a, b = model.refer(scene, SENTENCES, count="one"), again.refer(other, SENTENCES, count="one")
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x.logits, y.logits)


def test_bfloat16_is_close():
    model = tiny()
    scene = encoded(model, 0)
    plain = model.refer(scene, SENTENCES, count="one")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model.refer(encoded(model, 0), SENTENCES, count="one")
    for a, b in zip(plain, half, strict=True):
        assert float(b.scores) == pytest.approx(float(a.scores), abs=0.05)


def test_odd_extents_are_the_official_quirk():
    plain, official = tiny(voxel_size=0.02), tiny(voxel_size=0.02, odd_extents=True)
    a, b = encoded(plain, 0), encoded(official, 0)
    shape = a.batch.scans.coords[:, 1:].amax(0) + 1
    assert bool((shape > 128).any() & (shape % 2 == 1).any() | (shape > 128).all())
    assert a.features.shape == b.features.shape
    assert float((a.features - b.features).detach().abs().max()) > 1e-7
    even = tiny(voxel_size=0.1)  # below 128 voxels every level has an even extent
    same = tiny(voxel_size=0.1, odd_extents=True)
    torch.testing.assert_close(encoded(even, 0).features, encoded(same, 0).features)


def test_commonest_labels():
    labels, index = np.array([3, 3, -1, -1, -1, 5, 0, 2]), np.array([0, 0, 0, 1, 1, 1, 2, 2])
    assert commonest(labels, index, 4).tolist() == [3, NONE, 0, NONE]


def test_pretraining_of_the_backbone(tmp_path):
    torch.manual_seed(0)
    model = BackbonePretraining(PretrainConfig(SMALL, labels="kind", classes=4)).train()
    assert model.verbs == ()

    def labelled(seed: int):
        scan = small_scan(seed)
        return replace(scan, labels={**scan.labels, "kind": scan.labels["instance"].astype(np.int16)})

    sample = model.prepare(labelled(0), rng=np.random.RandomState(0))
    assert np.isnan(sample.offsets[sample.classes == NONE]).all() == np.isnan(sample.offsets).any()
    batch = model.collate([sample, model.prepare(labelled(1))])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    totals = []
    for _ in range(25):
        terms = model.losses(batch)
        assert set(terms) == {"semantic", "offset"}
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        totals.append(float(sum(terms.values()).detach()))
    assert totals[-1] < 0.5 * totals[0]
    # Its weights are where BQNet's training begins.
    model.card = {"name": "start", "preset": "bqnet.rooms-backbone", "system": model.system}
    path = checkpoints.save_checkpoint(model, tmp_path / "start.safetensors")
    fresh = tiny(seed=5)
    said = checkpoints.load_part(fresh, path)
    own = {k: v for k, v in model.state_dict().items() if k.startswith("backbone")}
    assert said.startswith(f"{len(own)} of ")
    for name, value in own.items():
        torch.testing.assert_close(fresh.state_dict()[name], value)
    with pytest.raises(InputError, match="expected superpoints and labels"):
        model.prepare(small_scan(0))


def test_pretraining_without_labels_or_things_adds_nothing():
    model = BackbonePretraining(PretrainConfig(SMALL, labels="instance", classes=4))
    scan = small_scan(0)
    nothing = replace(scan, labels={"instance": np.full(len(scan), -1, np.int32)})
    terms = model.losses(model.collate([model.prepare(nothing)]))
    assert all(float(v.detach()) == 0 for v in terms.values())
