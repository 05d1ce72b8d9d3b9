"""LESS as a whole: every preset at a tiny size through every step of the model contract."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.models.less import Less, compat, rooms, scanrefer, scanrefer_2024_10
from tests.models.fakes import WordHash, annotation, shrunk, small_scan, tiny

PRESETS = {p().name: p for p in (scanrefer, scanrefer_2024_10, rooms)}
every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
SENTENCE = "the red box beside the other box"


def training_batch(model, seeds=(0, 1), sentences=(SENTENCE, "a box")):
    samples = []
    for seed, sentence in zip(seeds, sentences):
        scan = small_scan(seed, 2500 + 500 * seed)
        samples.append(model.prepare(scan, [annotation(sentence, 0)], rng=np.random.RandomState(seed)))
    return model.collate(samples)


def encoded(model, *seeds):
    return model.encode_batch(model.collate([model.prepare(small_scan(s, 2000 + 700 * s)) for s in seeds]).to("cpu"))


@every_preset
def test_refer_gives_a_prediction_per_sentence(preset):
    model, scan = tiny(preset()), small_scan(0, 2000)
    assert model.verbs == ("refer",)
    scene = encoded(model, 0)
    predictions = model.refer(scene, [SENTENCE, "a box", "the floor"])
    assert len(predictions) == 3
    for p in predictions:
        assert p.logits.shape[0] == p.scores.shape[0] == 1
        assert p.index.shape == (len(scan),)
        assert p.index.max() + 1 == p.logits.shape[1]
        assert 0 <= float(p.scores) <= 1
    assert not torch.equal(predictions[0].logits, predictions[1].logits)


@every_preset
def test_score_is_the_mean_probability_of_the_mask_points(preset):
    model = tiny(preset())
    scene = encoded(model, 0)
    (p,) = model.refer(scene, [SENTENCE])
    with torch.no_grad():
        logits, _ = model(scene, model.text([SENTENCE]))
    probability = logits[0].sigmoid().numpy()[p.index]
    inside = (p.logits[0] > 0).numpy()[p.index]
    expected = probability[inside].mean() if inside.any() else 0.0
    assert float(p.scores) == pytest.approx(expected, abs=1e-5)


@every_preset
def test_sentences_together_equal_one_by_one(preset):
    model = tiny(preset(), relative_threshold=0.0, one_object=False)  # logits as the network gives them
    scene = encoded(model, 1)
    sentences = ["a short one", "a much longer sentence about the box", "box"]
    text = model.text(sentences)
    with torch.no_grad():
        together, _ = model(scene, text)
    for row, p in zip(together, model.refer(scene, sentences)):
        torch.testing.assert_close(row[None], p.logits, rtol=1e-4, atol=1e-4)


def test_wrong_number_of_sentences_for_two_scans():
    model = tiny(scanrefer())
    with pytest.raises(InputError, match="one sentence for each of 2 scans, got 3"):
        model.refer(encoded(model, 0, 1), ["a", "b", "c"])


@every_preset
def test_training_lowers_the_loss(preset):
    model = tiny(preset()).train()
    batch = training_batch(model)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    totals = []
    for _ in range(10):
        terms = model.losses(batch)
        assert set(terms) == {"mask", "area", "contrast"}
        total = sum(terms.values())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert np.isfinite(totals).all()
    assert totals[-1] < 0.8 * totals[0]


@every_preset
def test_every_trained_parameter_gets_a_gradient(preset):
    model = tiny(preset()).train()
    sum(model.losses(training_batch(model)).values()).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    zero = [n for n, p in model.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    # The key bias adds the same score to every key; a step of the first mask only thresholds.
    assert all("in_proj" in name or "shortcut" in name for name in zero)


@every_preset
def test_compat_form_runs(preset):
    model = tiny(replace(preset(), model=compat(preset().model)))
    scene = encoded(model, 0, 1)
    assert scene.pyramid.levels[0].spatial_shape is not None
    assert model.word_projections[0][2].training, "the official dropout never stops"
    assert not model.word_projections[0][0].weight.requires_grad
    a, b = (model.refer(scene, [SENTENCE, "a box"])[0].logits for _ in range(2))
    assert not torch.equal(a, b)


def test_odd_extents_lose_the_last_plane_only_in_compat_form():
    # 129 voxels along x: the official rule halves 129 to 64 cells, so the last plane has no parent.
    scan = small_scan(0, 2000)
    scan.points[0] = (12.85, 0, 0)
    for form, lost in ((compat(shrunk(scanrefer())), True), (shrunk(scanrefer()), False)):
        model = Less(form, text_encoder=WordHash(12)).eval()
        level = model.encode_batch(model.collate([model.prepare(scan)])).pyramid.levels[0]
        assert bool((level.parent < 0).any()) == lost


def test_padding_counts_only_in_compat_form():
    for zero_padding in (True, False):
        model = tiny(scanrefer(), zero_padding=zero_padding)
        scene = encoded(model, 0)
        text = model.text(["a box", "a box with a longer text"])
        with torch.no_grad():
            padded = model(scene, text)[0][0]
            alone = model(scene, model.text(["a box"]))[0][0]
        assert torch.allclose(padded, alone, atol=1e-4) != zero_padding


def test_superpoint_support_equals_sites_that_share_their_features():
    """With superpoints that are the voxels themselves, both supports are the same model."""
    scan = small_scan(0, 2000)
    on_sites = tiny(scanrefer())
    on_superpoints = tiny(scanrefer(), support="superpoints")
    sites = on_sites.prepare(scan)
    voxels = replace(scan, superpoints=sites.index.astype(np.int32))
    (a,) = on_sites.refer(on_sites.encode_batch(on_sites.collate([sites])), [SENTENCE])
    (b,) = on_superpoints.refer(
        on_superpoints.encode_batch(on_superpoints.collate([on_superpoints.prepare(voxels)])), [SENTENCE]
    )
    torch.testing.assert_close(a.logits, b.logits, rtol=1e-4, atol=1e-4)


def test_pooling_is_the_mean_over_points():
    model = tiny(rooms())
    scan = small_scan(0, 2000)
    batch = model.collate([model.prepare(scan)])
    scene = model.encode_batch(batch)
    sites = torch.randn(len(scene.pyramid), 4)
    rows = model.support_features(scene, sites)[0]
    on_sites = tiny(scanrefer())
    point_site = on_sites.prepare(scan).index
    points = sites[scene.pyramid.inverse].numpy()[point_site]
    for s in range(len(rows)):
        np.testing.assert_allclose(rows[s], points[batch.index[0] == s].mean(0), atol=1e-5)


def test_alignment_is_applied_in_the_model_and_not_before_2024_10():
    scan = small_scan(0, 2000)
    turn = np.eye(4)
    turn[:2, :2], turn[:3, 3] = [[0, -1], [1, 0]], [5, 6, 7]
    turned = replace(scan, alignment=turn)
    for preset, applied in ((scanrefer, True), (scanrefer_2024_10, False)):
        model = tiny(preset())
        moved, plain = model.prepare(turned), model.prepare(scan)
        assert np.allclose(moved.features[:, 2].min(), plain.features[:, 2].min() + 7 * applied, atol=1e-4)


def test_training_samples_follow_the_generator():
    model, scan = tiny(scanrefer()), small_scan(0)
    target = scan.labels["instance"] == 1
    a, b, c = (model.prepare(scan, [annotation("a box", 1)], rng=np.random.RandomState(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a.features, b.features)
    assert a.features.shape != c.features.shape or not np.allclose(a.features, c.features)
    assert a.counts.sum() == model.config.sample_points
    plain = model.prepare(scan, [annotation("a box", 1)])
    assert plain.counts.sum() == len(scan)
    assert plain.positive.sum() == target.sum()


def test_losses_need_targets():
    model = tiny(rooms())
    with pytest.raises(InputError, match="target"):
        model.losses(model.collate([model.prepare(small_scan(0))]))


def test_one_sentence_per_sample():
    with pytest.raises(InputError, match="expected one sentence per sample, got 2"):
        tiny(rooms()).prepare(small_scan(0), [annotation("a box", 0), annotation("a box", 1)])


def test_a_target_without_sampled_points_still_trains():
    model = tiny(rooms()).train()
    scan = small_scan(0)
    sample = model.prepare(scan, [annotation("a box", 77)], rng=np.random.RandomState(0))
    terms = model.losses(model.collate([sample, sample]))
    assert terms["contrast"].item() == 0
    sum(terms.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_frozen_text_stays_frozen_and_is_cached(monkeypatch):
    model = tiny(rooms()).train()
    assert not model.text_encoder.training
    assert not any(p.requires_grad for p in model.text_encoder.parameters())
    first = model.text([SENTENCE])

    def fail(texts):
        raise AssertionError("a known sentence was encoded again")

    monkeypatch.setattr(model.text_encoder, "forward", fail)
    torch.testing.assert_close(model.text([SENTENCE]).tokens, first.tokens)


def test_trained_text_gets_gradients_and_its_own_rate():
    preset = scanrefer()
    model = tiny(preset).train()
    sum(model.losses(training_batch(model)).values()).backward()
    assert model.text_encoder.scale.grad.abs().sum() > 0
    groups = model.parameter_groups(preset.train)
    assert [g["lr"] for g in groups] == [1e-4, 2e-5]
    assert groups[1]["params"] == [model.text_encoder.scale]


def test_presets_differ_where_the_releases_did():
    new, old = scanrefer(), scanrefer_2024_10()
    assert (new.model.area_weight, old.model.area_weight) == (10, 1)
    assert (new.train.epochs, old.train.epochs) == (40, 64)
    assert old.model.augment == "2024-10"
    assert not old.model.align
    assert new.model == replace(old.model, area_weight=10, augment="2024-12", align=True)
