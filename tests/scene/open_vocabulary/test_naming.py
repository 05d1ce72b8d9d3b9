import numpy as np
import pytest
from scipy.sparse import csr_matrix

from saymask.io.frames import open_frames
from saymask.masks import Masks
from saymask.scene.open_vocabulary.features import PointFeatures, point_features
from saymask.scene.open_vocabulary.image_masks import MaskFolder
from saymask.scene.open_vocabulary.naming import different, name_masks, name_scores
from tests.scene.open_vocabulary.coloured_room import COLORS, ColourEncoder, make_room

NAMES = list(COLORS)


class Words:
    """Random directions, and what is asked for by name."""

    def __init__(self, **texts):
        self.known = texts

    def images(self, crops):
        raise AssertionError("no image is asked for")

    def texts(self, texts):
        return np.stack([self.known[t] for t in texts])


@pytest.fixture(scope="module", params=["projected", "folder"])
def seen(request, room, recorded):
    masks = room.masks if request.param == "projected" else MaskFolder(recorded / "masks")
    with open_frames(recorded / "frames", every=1) as frames:
        return point_features(room.scan, frames, masks, ColourEncoder())


def test_each_box_is_found_by_its_colour(room, seen):
    scores = name_scores(room.masks, seen, NAMES, ColourEncoder())
    assert (scores.argmax(axis=1) == np.arange(4)).all()
    assert (scores.diagonal() > 0.9).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    rivals = [n for n in NAMES if n != "red"]
    found = name_masks(room.masks, seen, ["red"], ColourEncoder(), rivals=rivals, threshold=0.5)
    assert (found.names, found.labels.tolist(), found.message) == (("red",), [1], "")
    np.testing.assert_array_equal(found.points(0), room.owner == 0)


def test_what_is_not_there_is_said(room, seen):
    found = name_masks(
        room.masks, seen, ["piano", "blue"], ColourEncoder(), rivals=["red", "green", "grey"], threshold=0.5
    )
    assert found.names == ("blue",)
    assert found.labels.tolist() == [2]
    assert found.message.startswith("nothing fits: piano (best relevance 0.")


def random_case(seed=0, n=500, regions=12, dim=8, masks=5, rows=60):
    rng = np.random.default_rng(seed)
    cover = (rng.random((n, regions)) < 0.15).astype(np.float32)
    features = rng.normal(size=(regions, dim)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    lengths = np.linalg.norm(cover @ features, axis=1).astype(np.float32)
    scan = make_room(spacing=0.25).scan
    scan = type(scan)(scan.points[:1].repeat(n, 0), scan.colors[:1].repeat(n, 0))
    index = rng.integers(-1, rows, n)
    own = Masks(scan, rng.random((masks, rows)) < 0.3, index, np.ones(masks, np.float32), ("object",) * masks)
    words = {f"w{i}": rng.normal(size=dim).astype(np.float32) for i in range(7)}
    return own, PointFeatures(features, csr_matrix(cover), lengths, 1, {}), words, cover @ features


@pytest.mark.parametrize("count_unseen", [False, True])
def test_scores_are_those_of_the_formula(count_unseen):
    masks, features, words, sums = random_case()
    names = list(words)
    got = name_scores(masks, features, names, Words(**words), count_unseen=count_unseen)
    texts = np.stack(list(words.values())).astype(float)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    for m in range(len(masks)):
        each = []
        for i in np.flatnonzero(masks.points(m)):
            length = np.linalg.norm(sums[i])
            if length == 0 and not count_unseen:
                continue
            logits = 300 * (sums[i] / max(length, 1e-12)) @ texts.T
            each.append(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
        np.testing.assert_allclose(got[m], np.mean(each, axis=0), atol=2e-4)
    some = name_scores(masks, features, names[:2], Words(**words), rivals=names[2:], count_unseen=count_unseen)
    np.testing.assert_allclose(some, got[:, :2], atol=1e-6)


def test_the_best_pairs_are_kept():
    masks, features, words, _ = random_case(masks=4)
    names = list(words)
    scores = name_scores(masks, features, names, Words(**words))
    every = name_masks(masks, features, names, Words(**words))
    assert len(every) == 28
    assert len(set(zip(every.names, map(bytes, np.packbits(every.support, axis=1))))) == 28
    best = name_masks(masks, features, names, Words(**words), most=6)
    np.testing.assert_array_equal(best.scores, np.sort(scores, axis=None)[::-1][:6])
    np.testing.assert_array_equal(best.scores, every.scores[:6])
    assert all(best.names[i] == names[best.labels[i] - 1] for i in range(6))


def test_masks_that_no_frame_shows_get_no_name():
    masks, features, words, _ = random_case()
    blind = PointFeatures(
        features.regions, csr_matrix(features.cover.shape, dtype=np.float32), np.zeros(500, np.float32), 1, {}
    )
    for some in (blind, PointFeatures(np.zeros((0, 1), np.float32), csr_matrix((500, 0)), blind.lengths, 1, {})):
        assert np.isnan(name_scores(masks, some, list(words), Words(**words))).all()
        found = name_masks(masks, some, list(words), Words(**words))
        assert len(found) == 0
        assert found.message.startswith("nothing fits: w0")
        even = name_scores(masks, some, list(words), Words(**words), count_unseen=True)
        np.testing.assert_allclose(even, 1 / 7, atol=1e-6)
    nothing = Masks(masks.scan, masks.support[:0], masks.index, masks.scores[:0], ())
    assert len(name_masks(nothing, features, list(words), Words(**words))) == 0


def test_other_words_for_the_same_do_not_compete():
    rng = np.random.default_rng(3)
    common = 3 * rng.normal(size=64)  # in CLIP's space all words are alike to some degree
    words = {name: common + rng.normal(size=64) for name in ("couch", "lamp", "table", "door", "chair")}
    words["sofa"] = words["couch"] + 0.3 * rng.normal(size=64)
    encoder = Words(**{k: v.astype(np.float32) for k, v in words.items()})
    others = ["couch", "lamp", "table", "door", "chair"]
    assert different(["sofa"], others, encoder) == ("lamp", "table", "door", "chair")
    assert different(["lamp", "sofa"], others, encoder) == ("table", "door", "chair")
