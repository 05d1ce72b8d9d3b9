"""A scan, a model, a sentence: Scene gives Masks or a sentence that says why not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saymask import hub
from saymask.errors import InputError
from saymask.models.base import Prediction
from saymask.scan import Scan
from saymask.scene import Scene, to_masks
from tests.toy_model import make_scan, register


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def scene() -> Scene:
    torch.manual_seed(0)
    return Scene(hub.build("toy.tiny").eval(), make_scan(0)[0])


def test_refer_gives_masks_over_the_scan(scene):
    masks = scene.refer("  the red chair ")
    assert masks.scan is scene.scan
    assert masks.names == ("the red chair",) * len(masks)
    assert set(scene.seconds) == {"prepare", "encode", "refer"}
    many = scene.refer(["the red chair", "the blue lamp"])
    assert len(many) == 2
    np.testing.assert_array_equal(many[0].dense, masks.dense)
    assert scene.refer([]) == []
    again = scene.model.encode(scene.scan).refer("the red chair")
    np.testing.assert_array_equal(again.dense, masks.dense)


def test_prompts_reuse_the_encoding(scene, monkeypatch):
    monkeypatch.setattr(type(scene.model), "encode", lambda *_: pytest.fail("encoded again"))
    scene.refer("the red chair")
    scene.refer("the green table")


def test_bad_sentences(scene):
    for sentence, message in (("", "empty"), ("   \n", "empty"), ("chair " * 10_000, "10,000"), (7, "expected")):
        with pytest.raises(InputError, match=message):
            scene.refer(sentence if isinstance(sentence, str) else [sentence])  # type: ignore[list-item]


def test_other_verbs_say_who_answers(scene):
    with pytest.raises(InputError, match=r"toy\.tiny answers refer, not find; no model of this version answers find"):
        scene.find(["plant"])
    with pytest.raises(AttributeError):
        _ = scene.colour


def test_a_model_without_refer_is_named(scene, monkeypatch):
    monkeypatch.delattr(type(scene.model), "refer")
    monkeypatch.setattr(type(scene.model), "find", lambda *_: [], raising=False)
    with pytest.raises(
        InputError,
        match=r"toy\.tiny answers find, not refer; for refer use bqnet\.gres, .*less\.rooms, less\.scanrefer",
    ):
        scene.refer("the chair")


def test_superpoints_are_made_once_for_models_that_need_them(monkeypatch):
    from saymask.geometry import superpoints

    calls = []

    def patches(scan: Scan) -> np.ndarray:
        calls.append(scan)
        return np.zeros(len(scan), np.int32)

    model = hub.build("toy.tiny").eval()
    seen = []
    real = type(model).prepare
    monkeypatch.setattr(superpoints, "superpoints_of", patches)
    monkeypatch.setattr(type(model), "uses_superpoints", True, raising=False)
    monkeypatch.setattr(type(model), "prepare", lambda self, scan: seen.append(scan) or real(self, scan))
    scene = Scene(model, make_scan(0)[0])
    assert len(calls) == 1
    assert seen[0].superpoints is not None
    assert "superpoints" in scene.seconds
    Scene(model, seen[0])
    assert len(calls) == 1


def scan_of(n: int) -> Scan:
    return Scan(np.random.default_rng(0).random((n, 3), np.float32), np.zeros((n, 3), np.uint8))


def test_empty_masks_are_dropped_and_said():
    prediction = Prediction(torch.full((2, 4), -1.0), torch.tensor([0.9, 0.1]), np.array([0, 1, 2, 3, 3]))
    masks = to_masks(prediction, scan_of(5), "a unicorn")
    assert len(masks) == 0
    assert masks.message == "no object fits: a unicorn"
    assert masks.dense.shape == (0, 5)


def test_a_mask_only_over_rows_without_points_is_empty():
    logits = torch.tensor([[-1.0, 5.0], [5.0, -1.0]])
    masks = to_masks(Prediction(logits, torch.tensor([0.9, 0.5]), np.array([0, 0, -1])), scan_of(3), "x")
    assert len(masks) == 1
    np.testing.assert_array_equal(masks.points(0), [True, True, False])
    assert masks.message == ""


@given(st.integers(0, 6), st.integers(1, 9), st.integers(0, 2**31 - 1))
def test_masks_are_sorted_and_equal_to_the_logits(m, s, seed):
    rng = np.random.default_rng(seed)
    logits, scores = rng.normal(size=(m, s)).astype(np.float32), rng.random(m).astype(np.float32)
    index = rng.integers(-1, s, 12)
    masks = to_masks(
        Prediction(torch.from_numpy(logits), torch.from_numpy(scores), index), scan_of(12), "x", threshold=0.3
    )
    dense = (logits[:, index] > 0) & (index >= 0)
    wanted = sorted((i for i in range(m) if dense[i].any() and scores[i] >= np.float32(0.3)), key=lambda i: -scores[i])
    assert list(masks.scores) == [scores[i] for i in wanted]
    np.testing.assert_array_equal(masks.dense, dense[wanted] if wanted else np.zeros((0, 12), bool))
