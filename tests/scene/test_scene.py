"""A scan, a model, a sentence: Scene gives Masks or a sentence that says why not."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.hub import registry
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.models.toy_model import COLORS, Seer, make_scan, register


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def scene() -> Scene:
    torch.manual_seed(0)
    return Scene(registry.build("toy.tiny").eval(), make_scan(0)[0])


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


def test_other_verbs_say_who_answers(scene, monkeypatch):
    for verb, ask in (
        ("click", lambda: scene.click([(0, 0, 0)])),
        ("click", scene.clicks),
        ("panoptic", scene.panoptic),
    ):
        with pytest.raises(
            InputError, match=rf"toy\.tiny answers refer, not {verb}; (no model of .*|for {verb} use .*)"
        ):
            ask()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "PRESETS", {"toy.tiny": registry.PRESETS["toy.tiny"]})
        with pytest.raises(InputError, match="no model of this version answers click"):
            scene.clicks()
    for verb, arguments in (("find", [["plant"]]), ("semantic", []), ("instances", [])):
        with pytest.raises(InputError, match=rf"answers refer, not {verb}; for {verb} use .*toy\.seer"):
            getattr(scene, verb)(*arguments)
    with pytest.raises(AttributeError):
        _ = scene.colour


def test_a_model_without_refer_is_named(scene, monkeypatch):
    other = type("Other", (type(scene.model),), {"refer": None, "click": lambda *_: []})
    monkeypatch.setattr(scene.model, "__class__", other)
    with pytest.raises(
        InputError,
        match=r"toy\.tiny answers click, not refer; for refer use bqnet\.gres, .*less\.rooms, less\.scanrefer",
    ):
        scene.refer("the chair")


def test_superpoints_are_made_once_for_models_that_need_them(monkeypatch):
    from saymask.geometry import superpoints

    calls = []

    def patches(scan: Scan) -> np.ndarray:
        calls.append(scan)
        return np.zeros(len(scan), np.int32)

    model = registry.build("toy.tiny").eval()
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


@pytest.fixture(scope="module")
def seen() -> Scene:
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        torch.manual_seed(0)
        return Scene(registry.build("toy.seer").eval(), make_scan(0)[0])


def colored(scene: Scene) -> np.ndarray:
    """The colour of every point as an index into COLORS, -1 the floor."""
    wanted = np.array(list(COLORS.values()))
    far = np.abs(scene.scan.colors[:, None].astype(int) - wanted).max(-1)
    return np.where(far.min(1) < 20, far.argmin(1), -1)


def test_semantic_gives_disjoint_masks_with_class_ids(seen):
    masks = seen.semantic()
    assert masks.disjoint
    assert masks.labels is not None
    assert masks.labels.dtype == np.int64
    assert sorted(zip(masks.names, masks.labels)) == sorted(zip(Seer.names, Seer.ids))
    assert (np.diff(masks.scores) <= 0).all()
    truth = colored(seen)
    for i, name in enumerate(masks.names):
        own = truth == list(COLORS).index(name)
        assert (masks.points(i) & own).sum() > 0.7 * own.sum()
    assert not masks.points(0)[masks.index < 0].any()
    assert masks.message == ""
    assert "semantic" in seen.seconds
    np.testing.assert_array_equal(seen.semantic("scannet200").dense, masks.dense)


def test_semantic_with_names_of_the_users_own(seen):
    masks = seen.semantic(["a red  thing", "grass", "green"])
    assert dict(zip(masks.names, masks.labels)) == {"a red thing": 1, "green": 3}
    nothing = seen.semantic(iter(["grass", "sky"]))
    assert len(nothing) == 0
    assert nothing.disjoint
    assert nothing.message == "no point of the scan has a class"


def test_instances_have_names_labels_and_scores(seen):
    masks = seen.instances()
    assert sorted(masks.names) == sorted(COLORS)
    assert masks.labels is not None
    assert dict(zip(masks.names, masks.labels)) == dict(zip(Seer.names, Seer.ids))
    assert (np.diff(masks.scores) <= 0).all()
    assert "instances" in seen.seconds


def test_find_says_what_fits_and_what_does_not(seen):
    masks = seen.find([" the red  one", "lamp", "blue"])
    assert set(masks.names) == {"the red one", "blue"}
    assert masks.labels is not None
    assert dict(zip(masks.names, masks.labels)) == {"the red one": 1, "blue": 3}
    assert masks.message == "nothing fits: lamp (best relevance 0.00, asked 0.60)"
    assert seen.find("red").names == ("red",)
    assert seen.find("red").message == ""
    strict = seen.find("red", threshold=1)
    assert len(strict) == 0
    assert re.fullmatch(r"nothing fits: red \(best relevance 0\.[89]\d, asked 1\.00\)", strict.message)
    assert seen.find(("red", "blue"), threshold=np.float32(0.1)).union().sum() > masks.union().sum() > 0
    assert "find" in seen.seconds


def test_find_takes_a_thousand_names(seen):
    names = [f"thing {i}" for i in range(999)]
    masks = seen.find([*names, "red"])
    assert masks.names == ("red",)
    assert masks.labels is not None
    assert list(masks.labels) == [1000]
    assert masks.message.startswith("nothing fits: thing 0 (best relevance 0.00, asked 0.60), thing 1 (")
    assert masks.message.endswith("thing 9 (best relevance 0.00, asked 0.60) and 989 more")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "names: expected at least one name.*empty list"),
        ("", "names: .*empty text"),
        (["red", " \n"], "names: .*empty text"),
        (["red", "blue", "Red "], "names: expected every name once, got 'Red' twice"),
        (["red", 7], "names: expected text, got int 7"),
        (7, "names: expected a name.*got int"),
        (None, "names: expected a name.*got NoneType"),
        (["red " * 10_000], "at most 512 words in a name, got 10,000"),
    ],
)
def test_bad_names(seen, names, words):
    with pytest.raises(InputError, match=words):
        seen.find(names)
    if names not in ("", None):
        with pytest.raises(InputError, match=words.replace("names:", "classes:")):
            seen.semantic(names)


def test_bad_classes_and_thresholds(seen):
    with pytest.raises(InputError, match=r"classes: .*empty text"):
        seen.semantic("  ")
    for threshold in (-0.1, 1.1, float("nan"), float("inf"), "0.5", True):
        with pytest.raises(InputError, match="threshold: expected a relevance from 0 to 1"):
            seen.find("red", threshold=threshold)
    for threshold in (0, 1, 0.5, np.float64(0.5)):
        seen.find("red", threshold=threshold)


def test_verbs_run_without_gradients(seen, monkeypatch):
    modes = []
    seen.forget()
    for verb in ("semantic", "instances", "find"):
        real = getattr(Seer, verb)
        spy = lambda *a, _real=real, **k: modes.append(torch.is_inference_mode_enabled()) or _real(*a, **k)  # noqa: E731
        monkeypatch.setattr(Seer, verb, spy)
    seen.semantic()
    seen.instances()
    seen.find("red")
    assert modes == [True] * 3


def calls_of(scene: Scene, verb: str, monkeypatch) -> list:
    """What the model is asked from now on, the arguments of one call per entry."""
    asked: list = []
    real = getattr(type(scene.model), verb)
    spy = lambda self, encoded, *a, **k: asked.append((*a, *k.values())) or real(self, encoded, *a, **k)  # noqa: E731
    monkeypatch.setattr(type(scene.model), verb, spy)
    return asked


def test_only_new_sentences_reach_the_model(scene, monkeypatch):
    asked = calls_of(scene, "refer", monkeypatch)
    first = scene.refer("the red chair")
    again = scene.refer(["the blue lamp", " the red chair ", "the lamp", "the lamp"])
    assert asked == [(["the red chair"], "any"), (["the blue lamp", "the lamp"], "any")]
    answered = [m.names[0] if len(m) else m.message.removeprefix("no object fits: ") for m in again]
    assert answered == ["the blue lamp", "the red chair", "the lamp", "the lamp"]
    np.testing.assert_array_equal(again[1].dense, first.dense)
    scene.forget()
    scene.refer("the lamp")
    assert asked[2:] == [(["the lamp"], "any")]


def test_other_verbs_are_asked_once_per_question(seen, monkeypatch):
    seen.forget()
    found, told, objects = (calls_of(seen, verb, monkeypatch) for verb in ("find", "semantic", "instances"))
    for _ in range(2):
        seen.find(["red", "blue"])
        seen.find(["red", "blue"], threshold=0.3)
        seen.find(["blue"])
        seen.semantic()
        seen.semantic(["red"])
        seen.instances()
    assert found == [(["red", "blue"], None), (["red", "blue"], 0.3), (["blue"], None)]
    assert told == [(None,), (["red"],)]
    assert objects == [()]


def test_answers_belong_to_the_caller(scene, seen):
    for ask in (lambda: scene.refer("the red chair"), seen.semantic, seen.instances, lambda: seen.find("red")):
        first = ask()
        support, scores, labels = first.support.copy(), first.scores.copy(), first.labels
        labels = None if labels is None else labels.copy()
        first.support[:] = ~first.support
        first.scores[:] = 0
        if first.labels is not None:
            first.labels[:] = -7
        again = ask()
        np.testing.assert_array_equal(again.support, support)
        np.testing.assert_array_equal(again.scores, scores)
        assert (again.labels is None) == (labels is None)
        if labels is not None:
            np.testing.assert_array_equal(again.labels, labels)
        with pytest.raises(ValueError, match="read-only"):
            first.index[:] = 0


def test_an_error_is_not_kept(seen, monkeypatch):
    seen.forget()
    with monkeypatch.context() as patch:
        patch.setattr(Seer, "instances", lambda *_: (_ for _ in ()).throw(InputError("not now")))
        with pytest.raises(InputError, match="not now"):
            seen.instances()
    assert len(seen.instances())


@pytest.mark.parametrize("kept", [True, False])
def test_sentences_of_eight_threads(scene, kept):
    sentences = [f"the {color} {thing}" for color in COLORS for thing in ("chair", "table", "lamp")]
    alone = [scene.refer(s) for s in sentences]
    assert any(0 < masks.union().mean() < 1 for masks in alone)
    if not kept:
        scene.forget()
    # every thread asks for all of them, in an order of its own
    orders = [np.random.default_rng(i).permutation(len(sentences)) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda order: scene.refer([sentences[i] for i in order]), orders))
    for order, answers in zip(orders, together, strict=True):
        for i, masks in zip(order, answers, strict=True):
            np.testing.assert_array_equal(masks.dense, alone[i].dense)
            np.testing.assert_allclose(masks.scores, alone[i].scores, rtol=1e-5)
            assert (masks.names, masks.message) == (alone[i].names, alone[i].message)


def test_threads_get_what_they_would_get_alone(scene, seen):
    jobs = [
        *[lambda s=s: scene.refer(f"the {s} chair") for s in COLORS],
        *[lambda s=s: seen.find([s, "lamp"]) for s in COLORS],
        seen.semantic,
        seen.instances,
    ] * 6
    alone = [job() for job in jobs]
    scene.forget()
    seen.forget()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: job(), jobs))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.dense, b.dense)
        np.testing.assert_array_equal(a.scores, b.scores)
        assert (a.names, a.message) == (b.names, b.message)
    assert {"find", "semantic", "instances"} <= set(seen.seconds)
