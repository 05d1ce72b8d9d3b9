"""UniSeg3D behind a Scene at its limits: clicks that mean nothing, no, odd and many words, very few and very many
superpoints, grey and huge scans, weights that are no numbers, eight threads at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from saymask.answers import VERBS
from saymask.errors import InputError
from saymask.masks import Masks
from saymask.models.uniseg3d.encoded import ask_superpoints
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.models.uniseg3d.test_model import scan_of, tiny

NAMES = ("chair", "a green lamp", "floor")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAYMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Scene(tiny(), scan_of())


def asked(scene: Scene) -> dict[str, Masks]:
    """The answer of every verb."""
    return {
        "refer": scene.refer("the red box beside the other box"),
        "find": scene.find(NAMES, threshold=0.0),
        "click": scene.click(scene.scan.points[[3, -1]], positive=[True, True]),
        "semantic": scene.semantic(),
        "instances": scene.instances(),
        "panoptic": scene.panoptic(),
    }


def check(answers: dict[str, Masks], points: int) -> None:
    """Whatever the scan, the answers are masks over its points with scores in 0..1."""
    assert set(answers) == set(VERBS)
    for masks in answers.values():
        assert masks.dense.shape == (len(masks), points)
        assert ((masks.scores >= 0) & (masks.scores <= 1)).all()
        assert len(masks) or masks.message
    assert len(answers["click"]) == 2
    assert answers["click"].dense.any(1).all()  # the place clicked on always belongs to its object
    for verb in ("semantic", "panoptic"):
        np.testing.assert_array_equal(answers[verb].dense.sum(0), 1)


def same(a: Masks, b: Masks) -> None:
    np.testing.assert_array_equal(a.dense, b.dense)
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-5, atol=1e-6)
    assert (a.names, a.message) == (b.names, b.message)


# ---- clicks


def test_clicks_outside_the_scan(scene):
    low, high = scene.scan.points.min(0), scene.scan.points.max(0)
    above = scene.scan.points[scene.scan.points[:, 2].argmax()] + np.float32([0, 0, 2])
    with pytest.raises(InputError, match=r"expected a place on the scan, got one 2\.00 m away from its nearest point"):
        scene.click(above)
    with pytest.raises(InputError, match=r"click \(.*one 1,73\d\.\d\d m away .* 0\.5 m at most"):
        scene.click([scene.scan.points[0], high + 1000])
    # In front of the scan but within reach: its nearest point is meant.
    below = scene.scan.points[scene.scan.points[:, 2].argmin()]
    same(scene.click(below - np.float32([0, 0, 0.3])), scene.click(below))
    with pytest.raises(InputError, match="three finite numbers"):
        scene.click([low, (np.nan, 0, 0)])


def test_no_click(scene):
    for nothing in ([], np.zeros((0, 3))):
        with pytest.raises(InputError, match=r"at least one place .* got none"):
            scene.click(nothing)
    with pytest.raises(InputError, match="expected a positive click on every object"):
        scene.click(scene.scan.points[0], positive=False)
    assert len(scene.clicks().add(scene.scan.points[0])) == 1
    with pytest.raises(InputError, match="expected a click to take back"):
        scene.clicks().undo()


def test_contradicting_clicks(scene):
    index = scene.find(NAMES, threshold=0.0).index
    first, second = np.flatnonzero(index == index[7])[:2]
    places = scene.scan.points[[first, second]]
    with pytest.raises(InputError, match=r"positive and a negative one \(click 1 and click 2 of 2\) on the same patch"):
        scene.click(places, positive=[True, False], objects=0)
    session = scene.clicks()
    before = session.add(places[0])
    with pytest.raises(InputError, match="on the same patch"):
        session.add(places[1], positive=False)
    assert len(session) == 1  # what was refused is not kept
    other = scene.scan.points[np.flatnonzero(index != index[7])[0]]
    after = session.add(other, positive=False)
    assert not after.points(0)[index == index[np.flatnonzero(index != index[7])[0]]].any()
    assert not (after.points(0) & ~before.points(0)).any()
    # About two objects they do not contradict each other.
    two = scene.click([places[0], places[1], other], positive=[True, False, True], objects=[0, 1, 1])
    assert two.points(0)[first]
    assert not two.points(1)[second]


def test_a_thousand_clicks_are_those_clicks_one_by_one(scene):
    places = scene.scan.points[:: len(scene.scan) // 1000][:1000]
    scene.forget()
    masks = scene.click(places)
    assert len(masks) == 1000
    scene.forget()
    for i in (0, 500, 999):
        alone = scene.click(places[i])
        np.testing.assert_array_equal(masks.points(i), alone.points(0))
        assert masks.scores[i] == pytest.approx(alone.scores[0], rel=1e-4)
    with pytest.raises(InputError, match="at most 1,000 at once, got 1,001"):
        scene.click(np.tile(places, (2, 1))[:1001])


# ---- words


def test_no_words(scene):
    for ask, what in ((scene.find, "names"), (scene.semantic, "classes")):
        with pytest.raises(InputError, match=f"{what}: expected at least one name.* got an empty list"):
            ask([])
        with pytest.raises(InputError, match=f"{what}: .*got an empty text"):
            ask(["chair", " "])
    with pytest.raises(InputError, match="empty text"):
        scene.semantic("")
    with pytest.raises(InputError, match="empty"):
        scene.refer("\n")


def test_a_thousand_names(scene):
    names = [*NAMES, *(f"thing {i}" for i in range(997))]
    start = time.perf_counter()
    found, told = scene.find(names, threshold=0.0), scene.semantic(names)
    assert time.perf_counter() - start < 20
    few = scene.find(NAMES, threshold=0.0)
    # Names do not compete: those of the three are what three alone give.
    own = np.isin(found.names, NAMES)
    np.testing.assert_array_equal(found.support[own].sum(), few.support.sum())
    np.testing.assert_allclose(np.sort(found.scores[own]), np.sort(few.scores), rtol=1e-5, atol=1e-6)
    assert set(told.names) <= set(names)
    np.testing.assert_array_equal(told.dense.sum(0), 1)
    missing = scene.find(names, threshold=1.0)
    assert len(missing) == 0
    assert missing.message.endswith("and 990 more")
    with pytest.raises(InputError, match="'Chair' twice"):
        scene.find([*names, "Chair"])


# ---- scans


@pytest.mark.parametrize("count", [1, 2, 20])
def test_few_superpoints(count):
    scan = scan_of()
    scan = replace(scan, superpoints=(scan.superpoints % count).astype(np.int32))
    answers = asked(Scene(tiny(), scan))
    check(answers, len(scan))
    assert answers["panoptic"].support.shape[1] == count


def test_grey_and_flat_scans():
    scan = scan_of(n=900)
    grey = replace(scan, colors=np.full_like(scan.colors, 128), has_color=False, superpoints=None)
    check(asked(Scene(tiny(), grey)), len(grey))
    flat = replace(scan, points=scan.points * np.float32([1, 1, 0]))
    check(asked(Scene(tiny(), flat)), len(flat))
    dot = Scan(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.uint8))
    alone = Scene(tiny(), dot)
    assert alone.click((0, 0, 0)).points(0).all()
    assert len(alone.panoptic()) == 1


linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux shows it")


def resident(name: str) -> float:
    """A number of MB of this process: VmRSS now, VmHWM at most since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


@linux
def test_memory_of_many_passes_does_not_grow_with_the_superpoints_squared():
    """Of 4,000 superpoints all masks are 64 MB and twice that while they are joined; of 25 passes the best stay."""
    model = tiny(top_masks=60)
    torch.manual_seed(0)
    size = 4000
    with torch.inference_mode():
        memory = model.decoder.memory(torch.randn(size, 8))
        ask_superpoints(model.decoder, model.decoder.memory(torch.randn(50, 8)), model.known_classes())
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        said = ask_superpoints(model.decoder, memory, model.known_classes(), largest=size * size // 25)
        grown = resident("VmHWM") - before
    assert said.semantic.shape == (size, 21)
    assert len(said.stage.masks) <= 3 * 60
    assert grown < 90, f"{grown:.0f} MB"


@linux
@pytest.mark.slow
def test_sixty_thousand_superpoints():
    """Prompts need only one row of masks each; how much the superpoint queries need is measured above."""
    rng = np.random.default_rng(0)
    count, each = 60_000, 3
    cells = np.stack(np.unravel_index(np.arange(count), (300, 200)), 1) * 0.1
    points = np.repeat(np.c_[cells, np.zeros(count)], each, axis=0) + rng.uniform(0, 0.1, (count * each, 3))
    scan = Scan(
        points.astype(np.float32),
        rng.integers(0, 256, points.shape).astype(np.uint8),
        superpoints=np.repeat(np.arange(count), each).astype(np.int32),
    )
    model = tiny()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = resident("VmRSS"), time.perf_counter()
    scene = Scene(model, scan)
    masks = scene.refer([f"the box number {i}" for i in range(20)])
    clicked = scene.click(scan.points[::9000])
    assert len(masks) == len(clicked) == 20
    assert clicked.support.shape == (20, count)
    assert time.perf_counter() - start < 60
    assert resident("VmHWM") - before < 1500


@linux
@pytest.mark.slow
def test_two_million_points():
    rng = np.random.default_rng(0)
    n = 2_000_000
    floor = rng.uniform(0, [12, 10, 0.01], (n, 3))
    box = rng.integers(0, 12, n)
    corner = np.stack([box % 4 * 3.0 + 0.5, box // 4 * 3.0 + 0.5, np.zeros(n)], 1)
    inside = rng.random(n) < 0.5
    points = np.where(inside[:, None], corner + rng.uniform(0, [1, 1, 0.8], (n, 3)), floor).astype(np.float32)
    colors = np.where(inside[:, None], rng.integers(0, 256, (12, 3))[box], 140).astype(np.uint8)
    patches = np.where(inside, 1 + box, 0) * 10_000 + (points[:, 0] // 0.5).astype(int) * 100
    scan = Scan(
        points, colors, superpoints=np.unique(patches + (points[:, 1] // 0.5).astype(int), return_inverse=True)[1]
    )
    model = tiny()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = resident("VmRSS"), time.perf_counter()
    scene = Scene(model, scan)
    answers = asked(scene)
    assert time.perf_counter() - start < 120
    assert resident("VmHWM") - before < 4000
    for masks in answers.values():
        assert masks.scan is scan
        assert masks.support.shape[1] < 5000  # kept as bits of superpoints, not of points
    assert answers["semantic"].best.min() >= 0


# ---- threads and weights


def test_eight_threads_get_what_one_gets():
    model, scan = tiny(), scan_of()
    alone = Scene(model, scan)
    jobs = [
        *(lambda s, i=i: s.refer(f"the box number {i}") for i in range(6)),
        lambda s: s.refer(["a chair", "the box number 1", "the box number 2"])[1],
        *(lambda s, i=i: s.click(scan.points[i * 100 : i * 100 + 3], positive=[True, True, True]) for i in range(6)),
        lambda s: s.click(scan.points[[0, 900]], objects=0),
        lambda s: s.find(NAMES, threshold=0.1),
        lambda s: s.find([f"thing {i}" for i in range(50)]),
        lambda s: s.semantic(),
        lambda s: s.semantic(NAMES),
        lambda s: s.instances(),
        lambda s: s.panoptic(),
    ] * 4
    expected = [job(alone) for job in jobs]
    for shared in (Scene(model, scan), alone):  # nothing is known yet; everything is
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda job, s=shared: job(s), jobs))
        for a, b in zip(expected, together, strict=True):
            same(a, b)


@pytest.mark.parametrize("part", ["backbone", "decoder.layers", "decoder.sentence"])
def test_weights_that_are_no_numbers(part):
    model = tiny()
    weights = [p for name, p in model.named_parameters() if name.startswith(part)]
    assert weights
    with torch.no_grad():
        weights[-1].fill_(torch.nan)
    scene = Scene(model, scan_of(n=900))
    asks = {
        "refer": lambda: scene.refer("the box"),
        "click": lambda: scene.click(scene.scan.points[0]),
        "find": lambda: scene.find(NAMES),
        "semantic": scene.semantic,
        "instances": scene.instances,
        "panoptic": scene.panoptic,
    }
    for verb, ask in asks.items():
        if part == "decoder.sentence" and verb != "refer":
            ask()
            continue
        with pytest.raises(InputError, match="expected finite answers, got NaN"):
            ask()
