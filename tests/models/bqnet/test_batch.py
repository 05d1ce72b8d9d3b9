"""BQNet's samples and batches, against plain loops."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.geometry.sampling import farthest_point_sampling
from saymask.models.bqnet import batch as module
from saymask.models.bqnet.batch import caption, collate, expression, make_sample, truth
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.outputs import NO_INSTANCE, Spans
from saymask.models.bqnet.transform import centred, unit_colors
from saymask.text.clean import model_text
from tests.models.fakes import WordHash, annotation, small_scan

CONFIG = BQNetConfig(voxel_size=0.1, seeds=12, augment="rotate")


@dataclass
class Parsed:
    """What a parser that finds nothing but words 0 and 1 would give."""

    utterance: str

    def spans(self):
        first, second = self.utterance.split()[:2]
        end = len(first) + 1 + len(second)
        return Spans(positive=((len(first) + 1, end),), modify=((0, len(first)),), rel=((0, end), (0, end)))


@pytest.fixture
def parsed(monkeypatch):
    """Replace the parser; the list collects what it was asked."""
    asked = []

    def parse(text, *, source, backend, vocabulary):
        asked.append((text, source, backend))
        return Parsed(text)

    monkeypatch.setattr(module, "parse_sentence", parse)
    return asked


# ---- samples


def test_a_sample_against_its_points(parsed):
    scan = small_scan(0)
    made = make_sample(scan, [annotation("red box", 1), annotation("any boxes", 2, 0, eval_type="mt")], CONFIG)
    xyz = centred(scan.points)
    for row in range(len(made.scan.positions)):
        inside = scan.superpoints == row
        np.testing.assert_allclose(made.scan.positions[row], xyz[inside].mean(0), atol=1e-5)
    features = np.concatenate([unit_colors(scan.colors), xyz], axis=1)
    cells = np.floor(xyz * 10 - (xyz * 10).min(0)).astype(int)
    rows = {tuple(c): r for r, c in enumerate(made.scan.cells.tolist())}
    site = np.array([rows[tuple(c)] for c in cells.tolist()])
    for row in range(0, len(rows), 7):
        np.testing.assert_allclose(made.scan.features[row], features[site == row].mean(0), atol=1e-5)
    np.testing.assert_array_equal(made.seeds, farthest_point_sampling(made.scan.positions, 12, compat=True))
    first, second = made.sentences
    assert (first.text, first.objects, second.objects) == (model_text("red box"), (1,), (2, 0))
    instance = scan.labels["instance"]
    for sentence in made.sentences:
        target = np.isin(instance, sentence.objects)
        share = [target[scan.superpoints == row].mean() for row in range(len(made.scan.positions))]
        np.testing.assert_array_equal(sentence.mask, np.array(share) > 0.5)
        np.testing.assert_allclose(sentence.relevance, share, atol=1e-6)
        assert sentence.mask.any()
    assert parsed == [("red box", "scanrefer", "auto"), ("any boxes", "multi3drefer", "auto")]


def test_seeds_follow_the_config():
    scan = small_scan(1)
    published, ours = (make_sample(scan, (), replace(CONFIG, official_seeds=flag)) for flag in (True, False))
    np.testing.assert_array_equal(ours.seeds, farthest_point_sampling(ours.scan.positions, 12))
    assert len(set(ours.seeds.tolist())) == 12
    assert published.seeds.shape == (12,)


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize("parts", [1, 5])
def test_fewer_superpoints_than_seeds(parts, official):
    scan = small_scan(0)
    scan = replace(scan, superpoints=(np.arange(len(scan)) * parts // len(scan)).astype(np.int32))
    made = make_sample(scan, (), replace(CONFIG, official_seeds=official))
    assert made.scan.positions.shape == (parts, 3)
    assert made.seeds.shape == (12,)
    assert set(made.seeds.tolist()) <= set(range(parts))


def test_relevance_names_other_objects_of_the_class(parsed):
    scan = small_scan(0)
    semantic = np.where(scan.labels["instance"] == 2, 4, -1).astype(np.int16)  # a chair
    scan = replace(scan, labels={**scan.labels, "semantic20": semantic})
    made = make_sample(scan, [annotation("red box near the chair", 1), annotation("red box", 1)], CONFIG)
    with_chair, without = (s.relevance for s in made.sentences)
    np.testing.assert_allclose(with_chair[made.instances == 2], 0.5)
    np.testing.assert_allclose(without[made.instances == 2], 0)
    np.testing.assert_allclose(with_chair[made.instances == 1], 1)


def test_an_object_without_superpoint_or_points_stays_listed(parsed):
    scan = small_scan(0)
    whole = replace(scan, superpoints=np.zeros(len(scan), np.int32))
    (sentence,) = make_sample(whole, [annotation("red box", 1, 88)], CONFIG).sentences
    assert sentence.objects == (1, 88)
    assert not sentence.mask.any()
    assert 0 < sentence.relevance[0] < 0.5


def test_ids_that_became_one_object_count_once(parsed):
    made = make_sample(small_scan(0), [annotation("red boxes", 2, 1, 2)], CONFIG)
    assert made.sentences[0].objects == (2, 1)


def test_the_reserved_id_is_changed_in_labels_and_objects(parsed):
    scan = small_scan(0)
    plain = make_sample(scan, [annotation("red box", 3)], CONFIG)
    instance = np.where(scan.labels["instance"] == 3, NO_INSTANCE, scan.labels["instance"])
    renamed = make_sample(replace(scan, labels={"instance": instance}), [annotation("red box", NO_INSTANCE)], CONFIG)
    (new,) = renamed.sentences[0].objects
    assert new != NO_INSTANCE
    np.testing.assert_array_equal(renamed.instances == new, plain.instances == 3)
    np.testing.assert_array_equal(renamed.sentences[0].mask, plain.sentences[0].mask)


def test_training_samples_are_augmented_and_repeatable(parsed):
    scan, asked = small_scan(0), [annotation("red box", 1)]
    a, b, c = (make_sample(scan, asked, CONFIG, np.random.RandomState(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a.scan.features, b.scan.features)
    assert not np.allclose(a.scan.positions, c.scan.positions)
    np.testing.assert_array_equal(a.sentences[0].mask, c.sentences[0].mask)


def test_a_sampled_scan_keeps_labels_and_pictures_of_its_superpoints(parsed):
    scan = small_scan(0)
    pictures = np.arange(scan.superpoints.max() + 1, dtype=np.float16)[:, None].repeat(4, 1)
    scan = replace(scan, image_features=pictures)
    config = replace(CONFIG, augment="none", most_points=60, image_features="clip-vit-l14-336", image_width=4)
    rng = np.random.RandomState(0)
    made = make_sample(scan, [annotation("red box", 1)], config, rng)
    chosen = np.random.RandomState(0).choice(len(scan), 60, replace=False)
    left = np.unique(scan.superpoints[chosen])
    assert len(made.scan.positions) == len(left) < len(pictures)
    assert made.image.dtype == np.float32
    np.testing.assert_array_equal(made.image, pictures[left])
    np.testing.assert_array_equal(left[made.scan.index], scan.superpoints[chosen])
    instance = scan.labels["instance"][chosen]
    share = [(instance[made.scan.index == row] == 1).mean() for row in range(len(left))]
    np.testing.assert_allclose(made.sentences[0].relevance, share, atol=1e-6)


def test_bad_input(parsed):
    scan, rng = small_scan(0), np.random.RandomState(0)
    with pytest.raises(InputError, match="annotations of scan 'small0', got one of 'small1'"):
        make_sample(scan, [annotation("red box", 1), annotation("red box", 1, scan="small1")], CONFIG)
    bare = replace(scan, labels={})
    with pytest.raises(InputError, match="expected instance labels to train on"):
        make_sample(bare, [annotation("red box", 1)], CONFIG, rng)
    with pytest.raises(InputError, match="empty text"):
        make_sample(scan, [annotation("  ", 1)], CONFIG)
    pictured = replace(CONFIG, image_features="clip-vit-l14-336", image_width=4)
    with pytest.raises(InputError, match="expected 2D features clip-vit-l14-336, got none"):
        make_sample(scan, (), pictured)
    rows = int(np.max(scan.superpoints)) + 1
    for shape in ((rows, 5), (rows - 1, 4)):
        with pytest.raises(InputError, match=rf"expected 2D features \[{rows} superpoints, 4\]"):
            make_sample(replace(scan, image_features=np.zeros(shape, np.float32)), (), pictured)


def test_without_labels_a_sentence_has_no_truth(parsed):
    made = make_sample(replace(small_scan(0), labels={}), [annotation("red box", 1)], CONFIG)
    assert made.instances is None
    assert made.sentences[0].mask is None
    batch = collate([made])
    assert batch.instances is batch.masks is batch.relevance is None
    with pytest.raises(InputError, match="expected samples with truth"):
        truth(batch, WordHash(4)(batch.texts))


# ---- sentences


def test_the_clean_up_is_that_of_the_source(parsed):
    expression(annotation("the box .").asked)
    expression(annotation("the box .", eval_type="mt").asked)
    expression("the box .")
    assert [source for _, source, _ in parsed] == ["scanrefer", "multi3drefer", "multi3drefer"]
    assert caption(" red box ", replace(CONFIG, parser="rules")) == model_text("red box")
    assert parsed[-1] == ("red box", "multi3drefer", "rules")
    with pytest.raises(InputError):
        caption(" ", CONFIG)


def test_a_sentence_with_the_real_parser():
    sentence = expression("the red chair next to the table.", parser="rules")
    assert sentence.text.endswith(" . not mentioned")
    assert "chair" in [sentence.text[a:b] for a, b in sentence.spans.positive]
    lonely = expression("it, over there.", parser="rules")
    assert lonely.text.startswith("This is an object . ")
    assert sentence.objects == ()
    assert sentence.mask is sentence.relevance is None


# ---- batches


def two_samples():
    first = make_sample(small_scan(0), [annotation("red box", 1), annotation("any box", 0, 3)], CONFIG)
    second = make_sample(small_scan(1, 1200), [annotation("blue box here", 2, scan="small1")], CONFIG)
    return first, second


def test_two_samples_equal_one_by_one(parsed):
    samples = two_samples()
    batch = collate(samples)
    assert len(batch) == 2
    assert batch.scene.tolist() == [0, 0, 1]
    assert batch.objects == ((1,), (0, 3), (2,))
    sizes = batch.scans.sizes
    assert sizes[0] != sizes[1]
    row = 0
    for b, sample in enumerate(samples):
        alone = collate([sample])
        n, rows = sizes[b], slice(row, row + len(sample.sentences))
        torch.testing.assert_close(batch.instances[b, :n], alone.instances[0])
        assert (batch.instances[b, n:] == NO_INSTANCE).all()
        torch.testing.assert_close(batch.seeds[b], alone.seeds[0])
        torch.testing.assert_close(batch.relevance[rows, :n], alone.relevance)
        torch.testing.assert_close(batch.masks[rows, :n], alone.masks)
        assert not batch.masks[rows, n:].any()
        assert (batch.relevance[rows, n:] == 0).all()
        assert batch.texts[rows] == alone.texts
        row += len(sample.sentences)


def test_truth_maps_words_to_columns(parsed):
    batch = collate(two_samples())
    text = WordHash(4)(batch.texts)
    found = truth(batch, text)
    u, length = text.mask.shape
    assert found.maps.shape == (u, 5, length)
    positive, modify, pron, rel, other = found.maps[2]
    assert positive.tolist() == pytest.approx([0, 0, 1] + [0] * (length - 3))
    assert modify.tolist() == pytest.approx([0, 1, 0] + [0] * (length - 3))
    assert rel.tolist() == pytest.approx([0, 1, 1] + [0] * (length - 3))  # the span is there twice
    assert not pron.any()
    assert not other.any()
    torch.testing.assert_close(found.text_mask, text.mask)
    torch.testing.assert_close(found.positions, batch.scans.positions)
    assert found.objects == batch.objects
    assert found.instances is batch.instances
    with pytest.raises(InputError, match="text features of 3 sentences, got 2"):
        truth(batch, WordHash(4)(batch.texts[:2]))


def test_scans_alone(parsed):
    batch = collate([make_sample(small_scan(s), (), CONFIG) for s in (0, 1)])
    assert len(batch) == 2
    assert batch.texts == ()
    assert batch.scene.shape == (0,)
    assert batch.scene.dtype == torch.int64
    assert batch.instances is batch.image is None
    assert parsed == []


def test_moving_a_batch(parsed):
    batch = collate(two_samples())
    batch = replace(batch, text=WordHash(4)(batch.texts))
    there = batch.to("meta")
    assert {there.seeds.device.type, there.scene.device.type, there.scans.coords.device.type} == {"meta"}
    assert there.masks.device.type == there.text.tokens.device.type == "meta"
    assert there.texts == batch.texts


def test_pictures_are_padded_or_refused(parsed):
    config = replace(CONFIG, image_features="clip-vit-l14-336", image_width=4)
    samples = []
    for seed in (0, 1):
        scan = small_scan(seed, 3000 - 1800 * seed)
        rows = int(np.max(scan.superpoints)) + 1
        pictures = np.random.RandomState(seed).randn(rows, 4).astype(np.float32)
        samples.append(make_sample(replace(scan, image_features=pictures), (), config))
    batch = collate(samples)
    for b, sample in enumerate(samples):
        np.testing.assert_array_equal(batch.image[b, : batch.scans.sizes[b]], sample.image)
        assert (batch.image[b, batch.scans.sizes[b] :] == 0).all()
    with pytest.raises(InputError, match="2D features in all 2 samples or in none, got 1"):
        collate([samples[0], replace(samples[1], image=None)])
    with pytest.raises(InputError, match="at least one sample"):
        collate([])
