"""Every checkpoint that comes with saymask behind a Scene: bad questions, odd scans, eight threads, damaged weights."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.answers import VERBS
from saymask.errors import InputError
from saymask.hub import checkpoints, headers
from saymask.masks import Masks
from saymask.models.base import Model
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.models.fakes import small_scan

NAMES = [card["name"] for card in headers.list_models()]
REFUSED: dict[str, tuple[tuple[Callable[[Scene], object], str], ...]] = {
    "refer": ((lambda s: s.refer(" "), "empty text"), (lambda s: s.refer("chair " * 9999), "9,999")),
    "find": (
        (lambda s: s.find([]), "at least one name.*empty list"),
        (lambda s: s.find(["lamp", "Lamp"]), "'Lamp' twice"),
        (lambda s: s.find("lamp", threshold=7), "relevance from 0 to 1, got 7"),
    ),
    "click": (
        (lambda s: s.click([]), "at least one place"),
        (lambda s: s.click(s.scan.points.max(0) + 2), r"\d\.\d\d m away from its nearest point"),
        (lambda s: s.click(s.scan.points[[5, 5]], positive=[True, False], objects=0), "on the same patch"),
    ),
    "semantic": ((lambda s: s.semantic([]), "empty list"), (lambda s: s.semantic("nyu40"), "nyu40")),
}


@pytest.fixture(scope="module", params=NAMES)
def model(request) -> Model:
    return checkpoints.load_model(request.param, device="cpu")


def asked(scene: Scene) -> dict[str, Masks]:
    """Return the answers of every verb that the model has."""
    asks: dict[str, Callable[[], Masks]] = {
        "refer": lambda: scene.refer("the red box next to the other one"),
        "find": lambda: scene.find(["box", "floor"], threshold=0.01),
        "click": lambda: scene.click(scene.scan.points[-1]),
        "semantic": scene.semantic,
        "instances": scene.instances,
        "panoptic": scene.panoptic,
    }
    return {verb: asks[verb]() for verb in VERBS if verb in scene.model.verbs}


def test_bad_questions_are_refused(model):
    scene = Scene(model, small_scan(n=1500))
    assert len(scene.model.verbs) > 0
    for verb in model.verbs:
        for ask, words in REFUSED.get(verb, ()):
            with pytest.raises(InputError, match=words):
                ask(scene)
    for verb in set(VERBS) - set(model.verbs):
        with pytest.raises(InputError, match=f"not {verb}; for {verb} use "):
            getattr(scene, verb)(*{"refer": ["a"], "find": ["a"], "click": [(0, 0, 0)]}.get(verb, []))


@pytest.mark.parametrize("kind", ["grey", "one point", "one superpoint", "a line", "far away"])
def test_odd_scans(model, kind):
    scan = small_scan(n=1500, superpoints=False)
    if kind == "grey":
        scan = replace(scan, colors=np.full_like(scan.colors, 128), has_color=False)
    elif kind == "one point":
        scan = Scan(np.ones((1, 3), np.float32), np.zeros((1, 3), np.uint8))
    elif kind == "one superpoint":
        scan = replace(scan, superpoints=np.full(len(scan), 7, np.int32))
    elif kind == "a line":
        scan = replace(scan, points=scan.points * np.float32([1, 0, 0]))
    else:
        scan = replace(scan, points=scan.points + np.float32([4000, -9000, 50]))
    for verb, masks in asked(Scene(model, scan)).items():
        assert masks.dense.shape == (len(masks), len(scan)), verb
        assert ((masks.scores >= 0) & (masks.scores <= 1)).all(), verb
        assert len(masks) or masks.message, verb


def test_eight_threads_get_what_one_gets(model):
    scan = small_scan(n=1500)
    expected = asked(Scene(model, scan))
    shared = Scene(model, scan)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: asked(shared), range(8)))
    for answers in together:
        for verb, masks in answers.items():
            np.testing.assert_array_equal(masks.dense, expected[verb].dense)
            np.testing.assert_allclose(masks.scores, expected[verb].scores, rtol=1e-5, atol=1e-6)


def test_weights_that_are_no_numbers(model):
    scan = small_scan(n=1500)
    first = next(p for name, p in model.named_parameters() if p.ndim > 1 and "text_encoder" not in name)
    kept = first.detach().clone()
    try:
        with torch.no_grad():
            first.fill_(torch.nan)
        with pytest.raises(InputError, match=r"expected finite .*, got NaN"):
            asked(Scene(model, scan))
    finally:
        with torch.no_grad():
            first.copy_(kept)
