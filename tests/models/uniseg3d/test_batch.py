"""UniSeg3D's samples and batches."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.labels.tables import scannet200
from saymask.models.uniseg3d.batch import caption, collate, make_sample, query_rows, sentence_each
from saymask.models.uniseg3d.clicks import SURFACE_CLICKS, training_clicks
from saymask.models.uniseg3d.config import THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Decoder
from saymask.models.uniseg3d.extensions import vocabulary_names
from saymask.models.uniseg3d.losses import losses
from saymask.models.uniseg3d.transform import draw_similarity
from tests.models.fakes import WordHash, annotation, small_scan

CONFIG = UniSeg3DConfig(
    voxel_size=0.1, augment="rotate", widths=(8, 12), block_reps=1, text_width=6, width=16, heads=2, layers=2,
    ffn_width=24,
)  # fmt: skip
KINDS = {-1: 1, 0: 4, 1: 0, 2: 6, 3: 19}
"""Class of each instance of a small scan: the floor, a chair, a wall, a table, another thing."""


def scan_of(seed=0, n=3000):
    scan = small_scan(seed, n)
    semantic = np.array([KINDS[i] for i in scan.labels["instance"].tolist()], np.int16)
    return replace(scan, labels={**scan.labels, "semantic20": semantic})


def rng(seed=0):
    return np.random.RandomState(seed)


# ---- samples


def test_the_test_view_has_every_superpoint_and_sentence():
    scan = replace(scan_of(), labels={})
    asked = [annotation(" a box ", 0), annotation("boxes", 0, 2), annotation("nothing")]
    made = make_sample(scan, asked, CONFIG)
    assert made.texts == ("a box", "boxes", "nothing")
    assert made.truth is None
    assert made.clicks.shape == (0,)
    ids = np.unique(scan.superpoints)
    np.testing.assert_array_equal(made.queries, np.arange(len(ids)))
    np.testing.assert_array_equal(ids[made.scan.index], scan.superpoints)
    cells = np.floor((scan.points - scan.points.min(0)) / np.float32(0.1)).astype(int)
    np.testing.assert_array_equal(made.scan.cells, np.unique(cells, axis=0))
    assert made.scan.features.shape == (len(made.scan.cells), 6)
    rows = (cells == cells[0]).all(1)
    np.testing.assert_allclose(made.scan.features[(made.scan.cells == cells[0]).all(1)][0, :3],
                               (scan.colors[rows] / 127.5 - 1).mean(0), atol=1e-5)  # fmt: skip
    moved = make_sample(replace(scan, points=scan.points + np.float32(1000)), (), CONFIG)
    assert abs(len(moved.scan.cells) - len(made.scan.cells)) < 0.1 * len(made.scan.cells)


def test_clicks_anywhere_are_on_every_object_and_on_wall_and_floor():
    scan = scan_of()
    plain, made = (make_sample(scan, (), replace(CONFIG, clicks_anywhere=on), rng()) for on in (False, True))
    truth, published = made.truth, len(plain.clicks)
    np.testing.assert_array_equal(made.clicks[:published], plain.clicks)
    more, of = made.clicks[published:], truth.click_objects[published:]
    assert of[:3].tolist() == [0, 1, 2]
    assert all(truth.masks[row, click] for row, click in zip(of[:3], more[:3]))
    assert len(of) == 3 + SURFACE_CLICKS
    assert (of[3:] == -1).all()
    assert (truth.semantic[more[3:]] < 2).all()
    assert len(set(more[3:].tolist())) == SURFACE_CLICKS
    assert truth.click_labels.tolist() == plain.truth.click_labels.tolist() + [2, 4, 17] + [THINGS] * SURFACE_CLICKS
    assert torch.equal(truth.click_masks[published:][:3], truth.masks)
    assert not truth.click_masks[published + 3 :].any()


def test_losses_of_clicks_on_wall_and_floor_reach_no_object():
    """A sentence about several objects has no row either, and must not be paired with such a click."""
    scan, config = scan_of(), replace(CONFIG, clicks_anywhere=True, any_number=True)
    made = make_sample(scan, [annotation("both", 0, 2)], config, rng())
    surface = np.flatnonzero(made.truth.click_objects == -1)
    bare = replace(made.truth, click_objects=made.truth.click_objects[surface])
    torch.manual_seed(0)
    decoder = Decoder(config, channels=12).eval()
    features = torch.randn(len(made.scan.positions), 12)
    classes = torch.randn(20, 1, 6)
    outputs = decoder(features, torch.from_numpy(made.queries), torch.from_numpy(made.clicks[surface]),
                      torch.randn(1, 6), classes)  # fmt: skip
    terms = losses([outputs], [bare], config, torch.tensor(1.0))
    assert terms["contrast"] == terms["rank"] == terms["distill_clicks"] == 0
    assert terms["click"] > 0


def test_the_training_view():
    scan = scan_of()
    asked = [
        annotation("the chair", 0), annotation("the table", 2), annotation("a chair", 0), annotation("the wall", 1),
        annotation("both", 0, 2), annotation("nothing"), annotation("elsewhere", 77),
    ]  # fmt: skip
    made = make_sample(scan, asked, CONFIG, rng())
    truth, size = made.truth, len(made.scan.positions)
    assert truth.labels.tolist() == [2, 4, 17]  # chair, table, other furniture
    assert truth.masks.shape == (3, size)
    assert truth.masks.any(1).all()
    assert set(made.texts) in ({"the chair", "the table"}, {"a chair", "the table"})
    rows = {"the chair": 0, "a chair": 0, "the table": 1}
    assert truth.text_objects.tolist() == [rows[t] for t in made.texts]
    assert truth.text_labels.tolist() == [[2, 4][rows[t]] for t in made.texts]
    assert torch.equal(truth.text_masks, truth.masks[truth.text_objects])
    assert sorted(truth.click_objects.tolist()) == [0, 1, 2]
    for click, row in zip(made.clicks, truth.click_objects.tolist()):
        owners = scan.labels["instance"][made.scan.index == click]
        assert [0, 2, 3][row] in owners
    np.testing.assert_array_equal(made.queries, truth.queries)
    assert len(set(made.queries.tolist())) == len(made.queries) >= size // 2
    of_points = truth.semantic.numpy()[made.scan.index]
    assert (of_points == scan.labels["semantic20"]).mean() > 0.8


def test_the_published_order_of_draws():
    scan, config = scan_of(), replace(CONFIG, augment="official")
    made = make_sample(scan, (), config, rng(4))
    twin = rng(4)
    positions = draw_similarity(twin).apply(scan.points)
    instance = scan.labels["instance"]
    dense = np.select([instance == 0, instance == 2, instance == 3], [0, 1, 2], -1)
    clicks, clicked = training_clicks(positions, dense, twin)
    np.testing.assert_array_equal(made.clicks, made.scan.index[clicks])
    np.testing.assert_array_equal(made.truth.click_objects, clicked)
    np.testing.assert_allclose(made.scan.positions, make_sample(scan, (), config, rng(4)).scan.positions)


def test_training_is_repeatable_and_random():
    scan, asked = scan_of(), [annotation("a chair", 0), annotation("the table", 2)]
    a, b, c = (make_sample(scan, asked, CONFIG, rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.scan.features, b.scan.features)
    np.testing.assert_array_equal(a.queries, b.queries)
    assert a.texts == b.texts
    assert not np.array_equal(a.queries, c.queries)
    assert not np.allclose(a.scan.positions, c.scan.positions)
    assert torch.equal(a.truth.masks, c.truth.masks)
    orders = {make_sample(scan, asked, CONFIG, rng(s)).texts for s in range(8)}
    assert orders == {("a chair", "the table"), ("the table", "a chair")}


def test_novel_masks():
    scan = scan_of()
    ids = np.unique(scan.superpoints)
    one, two = make_sample(scan, (), CONFIG, rng()), scan.superpoints == scan.superpoints[0]
    given = np.zeros((2, scan.superpoints.max() + 1), bool)
    given[0, ids[:3]] = given[1, ids[1]] = True
    made = make_sample(scan, (), CONFIG, rng(), novel=given)
    assert torch.equal(made.truth.masks[:3], one.truth.masks)
    np.testing.assert_array_equal(made.truth.masks[3:], given[:, ids])
    assert made.truth.instances == 3
    # Over points, where a mask of what is known is left out; so also as a label of the scan.
    unknown = replace(scan, labels={**scan.labels, "semantic20": np.where(two, -1, scan.labels["semantic20"])})
    masks = np.stack([two, scan.labels["instance"] == 2])
    label = np.select([masks[0], masks[1]], [5, 3], -1)
    for found in (
        make_sample(unknown, (), CONFIG, rng(), novel=masks),
        make_sample(replace(unknown, labels={**unknown.labels, "novel": label}), (), CONFIG, rng()),
    ):
        new = found.truth.masks[found.truth.instances :]
        assert new.nonzero().tolist() == [[0, int(np.searchsorted(ids, scan.superpoints[0]))]]
    none = replace(scan, labels={**scan.labels, "novel": np.full(len(scan), -1)})
    assert len(make_sample(none, (), CONFIG, rng()).truth.masks) == 3
    for bad in (given[:, :-1], given.astype(int), given[0]):
        with pytest.raises(InputError, match="expected pseudo masks bool"):
            make_sample(scan, (), CONFIG, rng(), novel=bad)


def test_other_objects_are_novel_with_clicks_and_sentences():
    scan = scan_of()
    box, chair = scan.labels["instance"] == 3, scan.labels["instance"] == 0
    semantic, names = scan.labels["semantic20"].copy(), np.full(len(scan), -1, np.int16)
    semantic[box] = -1
    known = [c.name for c in scannet200()]
    names[box], names[chair] = known.index("lamp"), known.index("bench")
    scan = replace(scan, labels={**scan.labels, "semantic20": semantic, "semantic200": names})
    asked = [annotation("the lamp", 3), annotation("the chair", 0), annotation("Benches near the chair", 0)]
    published = make_sample(scan, asked, CONFIG, rng()).truth
    assert published.instances == len(published.masks) == len(published.click_objects) == 2
    assert published.names is None
    config = replace(CONFIG, others=True, vocabulary_weight=0.1, held_out=("bench", "benches"))
    made = make_sample(scan, asked, config, rng())
    truth = made.truth
    assert truth.instances == 2
    assert len(truth.masks) == 3
    np.testing.assert_array_equal(truth.masks[:2], published.masks)
    index = made.scan.index
    share = np.bincount(index, weights=box) / np.bincount(index)
    np.testing.assert_array_equal(truth.masks[2], share > 0.5)
    assert sorted(truth.click_objects.tolist()) == [0, 1, 2]
    assert truth.click_labels[truth.click_objects == 2].tolist() == [-1]
    assert sorted(made.texts) == ["the chair", "the lamp"]
    lamp = made.texts.index("the lamp")
    assert truth.text_objects[lamp] == 2
    assert truth.text_labels[lamp] == -1
    assert truth.text_labels[1 - lamp] == published.text_labels[0]
    row = vocabulary_names(config.held_out).index("lamp")
    assert truth.names.tolist() == [-1, -1, row]  # the chair is a bench by name, which is held out
    np.testing.assert_array_equal(truth.superpoint_names == row, share > 0.5)
    assert "bench" not in vocabulary_names(config.held_out)
    with pytest.raises(InputError, match="semantic200"):
        make_sample(scan_of(), (), config, rng())


def test_sentences_about_none_and_several():
    scan = scan_of()
    asked = [annotation("both", 0, 2), annotation("no such thing"), annotation("nor this"), annotation("a chair", 0)]
    assert make_sample(scan, asked, CONFIG, rng()).texts == ("a chair",)
    made = make_sample(scan, [*asked, annotation("with the wall", 0, 1)], replace(CONFIG, any_number=True), rng())
    truth = made.truth
    assert sorted(made.texts) == ["a chair", "both", "no such thing", "nor this"]
    rows = {text: made.texts.index(text) for text in made.texts}
    chair = truth.text_objects[rows["a chair"]]
    assert torch.equal(truth.text_masks[rows["a chair"]], truth.masks[chair])
    assert torch.equal(truth.text_masks[rows["both"]], truth.masks[:2].any(0))
    assert not truth.text_masks[rows["nor this"]].any()
    assert [int(truth.text_objects[rows[t]]) for t in ("both", "nor this")] == [-1, -1]
    assert truth.text_labels[rows["nor this"]] == THINGS
    assert truth.text_labels[rows["both"]] == -1  # of two classes
    assert truth.text_labels[rows["a chair"]] == truth.labels[chair]


def test_one_sentence_of_each_object_in_random_order():
    asked = [annotation(f"{i} {n}", i) for i in (4, 2, 9) for n in range(3)]
    draw, twin = random.Random(3), random.Random(3)
    chosen = sentence_each(asked, draw)
    assert sorted(a.object_ids[0] for a in chosen) == [2, 4, 9]
    for found, i in zip(chosen, twin.sample([4, 2, 9], 3)):
        assert found.description == f"{i} {twin.sample(range(3), 1)[0]}"
    assert sentence_each([], draw) == []
    assert len({a.description for s in range(30) for a in sentence_each(asked, random.Random(s))}) == 9


def test_query_rows():
    for n in (1, 2, 40):
        sizes = set()
        for seed in range(30):
            rows = query_rows(n, CONFIG, rng(seed))
            assert len(set(rows.tolist())) == len(rows)
            assert set(rows.tolist()) <= set(range(n))
            sizes.add(len(rows))
        assert min(sizes) >= max(1, n // 2)
        assert len(sizes) > 8 or n < 3
    assert len(query_rows(40, replace(CONFIG, query_share=1.0), rng())) == 40
    assert len(query_rows(40, replace(CONFIG, most_queries=7), rng())) == 7


def test_bad_input():
    scan = scan_of()
    with pytest.raises(InputError, match="annotations of scan 'small0', got one of 'small1'"):
        make_sample(scan, [annotation("red box", 1, scan="small1")], CONFIG)
    with pytest.raises(InputError, match="expected labels semantic20"):
        make_sample(small_scan(0), (), CONFIG, rng())
    with pytest.raises(InputError, match="empty text"):
        caption(annotation("  ", 1).asked)
    with pytest.raises(InputError, match="at least one sample"):
        collate([])


def test_scans_without_things():
    scan = scan_of()
    empty = replace(scan, labels={**scan.labels, "semantic20": np.zeros(len(scan), np.int16)})
    made = make_sample(empty, [annotation("a chair", 0)], CONFIG, rng())
    assert made.texts == ()
    assert made.truth.masks.shape == (0, len(made.scan.positions))
    assert made.truth.text_masks.shape == made.truth.masks.shape
    assert made.clicks.shape == made.truth.click_objects.shape == (0,)


# ---- batches


def three():
    asked = [annotation("a chair", 0), annotation("the table", 2)]
    return [
        make_sample(scan_of(), asked, CONFIG, rng()),
        make_sample(scan_of(1, 1200), (), CONFIG, rng()),
        make_sample(replace(scan_of(2, 900), labels={k: np.full(900, -1) for k in ("semantic20", "instance")}),
                    (), CONFIG, rng()),
    ]  # fmt: skip


def test_a_batch_lists_what_its_samples_have():
    samples = three()
    batch = collate(samples)
    assert len(batch) == 3
    assert batch.texts == tuple(s.texts for s in samples)
    for b, sample in enumerate(samples):
        assert batch.scans.sizes[b] == len(sample.scan.positions)
        np.testing.assert_array_equal(batch.queries[b], sample.queries)
        np.testing.assert_array_equal(batch.clicks[b], sample.clicks)
        assert batch.truth[b] is sample.truth
    there = batch.to("meta")
    assert {t.device.type for t in (*there.queries, *there.clicks, there.scans.coords)} == {"meta"}
    assert {v.device.type for t in there.truth for v in vars(t).values() if v is not None} == {"meta"}
    asked = collate([samples[0], make_sample(scan_of(1, 1200), (), CONFIG)])
    assert asked.truth is None
    assert asked.to("meta").truth is None


def test_a_batch_can_be_trained_on():
    torch.manual_seed(0)
    batch = collate(three())
    decoder = Decoder(CONFIG)
    embeddings = torch.nn.functional.normalize(torch.randn(20, 1, 6), dim=2)
    encoder = WordHash(6)
    features = torch.randn(sum(batch.scans.sizes), CONFIG.widths[0], requires_grad=True)
    outputs = [
        decoder(f, q, c, encoder(t).sentence if t else torch.zeros(0, 6), embeddings)
        for f, q, c, t in zip(features.split(batch.scans.sizes), batch.queries, batch.clicks, batch.texts)
    ]
    terms = losses(outputs, batch.truth, CONFIG, decoder.contrast_scale)
    total = torch.stack(list(terms.values())).sum()
    assert torch.isfinite(total)
    assert all(terms[name].item() > 0 for name in ("instance", "semantic", "click", "text", "contrast"))
    total.backward()
    assert torch.isfinite(features.grad).all()
    assert all((grad != 0).any() for grad in features.grad.split(batch.scans.sizes))
