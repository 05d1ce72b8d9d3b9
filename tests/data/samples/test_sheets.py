from dataclasses import replace

import numpy as np
import pytest

from saymask.data.samples.degrade import Degradation, degraded
from saymask.data.samples.sheets import FREE, KINDS, MOST_IN_THE_WAY, with_sheets
from saymask.labels.tables import scannet20, scannet200
from saymask.scan import Scan
from tests.models.fakes import annotation

NAMES20, NAMES200 = [c.name for c in scannet20()], [c.name for c in scannet200()]
EVERY_SEED = pytest.mark.parametrize("seed", range(12))


def room(side: float = 5.0, height: float = 2.5) -> Scan:
    """Return a square floor with four walls and a table in the middle, turned by 0.4 rad against the axes."""
    line, up = np.arange(0, side, 0.05), np.arange(0, height, 0.05)
    flat = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    floor = np.column_stack([flat, np.zeros(len(flat))])
    u, z = (g.ravel() for g in np.meshgrid(line, up, indexing="ij"))
    walls = [np.column_stack(c) for c in ((u, 0 * u, z), (u, 0 * u + side, z), (0 * u, u, z), (0 * u + side, u, z))]
    inside = (np.abs(flat - side / 2) < 0.6).all(axis=1)
    table = np.column_stack([flat[inside], np.full(inside.sum(), 0.7)])
    parts = [floor, *walls, table]
    kinds = ["floor", *["wall"] * 4, "table"]
    points = np.concatenate(parts)
    of = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[c, -s], [s, c]])
    points[:, :2] = points[:, :2] @ turn.T
    alignment = np.eye(4)
    alignment[:2, :2] = turn.T
    rows20 = np.array([NAMES20.index(k) for k in kinds])
    return Scan(
        points=points.astype(np.float32), colors=np.full((len(points), 3), 150, np.uint8),
        superpoints=of.astype(np.int32), name="room", alignment=alignment,
        labels={
            "instance": of.astype(np.int32), "semantic20": rows20[of].astype(np.int16),
            "semantic200": np.array([NAMES200.index(k) for k in kinds])[of].astype(np.int16),
            "nyu40": np.array([scannet20()[r].nyu40id for r in rows20])[of].astype(np.uint8),
        },
    )  # fmt: skip


def axes(scan: Scan) -> np.ndarray:
    assert scan.alignment is not None
    return np.asarray(scan.alignment)[:2, :2]


@EVERY_SEED
def test_sheets_stand_in_the_room_behind_its_points(seed):
    scan = room()
    found, kinds = with_sheets(scan, axes(scan), 3, np.random.RandomState(seed))
    assert kinds
    assert kinds <= KINDS.keys()
    n = len(scan)
    np.testing.assert_array_equal(found.points[:n], scan.points)
    assert found.points.dtype == np.float32
    new = found.points[n:]
    flat, whole = new[:, :2] @ axes(scan).T, scan.points[:, :2] @ axes(scan).T
    assert (new[:, 2] > -0.1).all()
    assert (new[:, 2] < 2.6).all()
    # A turned one may leave the room by a bit.
    assert (flat > whole.min(axis=0) - 1.5).all()
    assert (flat < whole.max(axis=0) + 1.5).all()
    for name, values in scan.labels.items():
        np.testing.assert_array_equal(found.labels[name][:n], values)
        assert found.labels[name].dtype == values.dtype


@EVERY_SEED
def test_labels_agree_and_no_superpoint_holds_two_things(seed):
    scan = room()
    found, kinds = with_sheets(scan, axes(scan), 3, np.random.RandomState(seed))
    new = slice(len(scan), None)
    assert found.superpoints is not None
    assert scan.superpoints is not None
    instance, superpoints = found.labels["instance"][new], found.superpoints[new]
    assert instance.min() > scan.labels["instance"].max()
    assert superpoints.min() > scan.superpoints.max()
    assert len(np.unique(np.column_stack([superpoints, instance]), axis=0)) == len(np.unique(superpoints))
    said = set()
    for number in np.unique(instance):
        rows = instance == number
        (kind,) = {NAMES200[k] for k in found.labels["semantic200"][new][rows]}
        (twenty,) = np.unique(found.labels["semantic20"][new][rows])
        (nyu,) = np.unique(found.labels["nyu40"][new][rows])
        assert NAMES20[twenty] == kind
        assert scannet20()[twenty].nyu40id == nyu
        said.add(kind)
    assert said == kinds


@EVERY_SEED
def test_they_go_through_no_thing(seed):
    scan = room()
    found, _ = with_sheets(scan, axes(scan), 3, np.random.RandomState(seed))
    table = scan.points[scan.labels["instance"] == 5, :2].astype(np.float64)
    new = found.points[len(scan) :, :2].astype(np.float64)
    cells = {tuple(c) for c in np.floor(new / FREE).astype(int).tolist()}
    inside = sum(tuple(c) in cells for c in np.floor(table / FREE).astype(int).tolist())
    assert inside <= 3 * MOST_IN_THE_WAY


def test_the_same_generator_gives_the_same_sheets_and_another_others():
    scan = room()
    one, two, other = (with_sheets(scan, axes(scan), 2, np.random.RandomState(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.colors, two.colors)
    assert len(other) != len(one)


def test_every_kind_comes_up_and_a_wall_below_windows():
    scan = room()
    said = [with_sheets(scan, axes(scan), 1, np.random.RandomState(seed))[1] for seed in range(30)]
    for kinds in ({"wall"}, {"curtain"}, {"window"}, {"window", "wall"}):
        assert kinds in said


@pytest.mark.parametrize("without", ["superpoints", "instance", "semantic200"])
def test_a_scan_without_labels_is_left_as_it_is(without):
    scan = room()
    if without == "superpoints":
        scan = replace(scan, superpoints=None)
    else:
        scan = replace(scan, labels={k: v for k, v in scan.labels.items() if k != without})
    found, kinds = with_sheets(scan, axes(scan), 3, np.random.RandomState(0))
    assert found is scan
    assert not kinds


def test_a_room_without_space_for_one_is_left_as_it_is():
    scan = room(side=1.0)
    assert with_sheets(scan, axes(scan), 3, np.random.RandomState(0))[0] is scan


def test_the_view_loses_sentences_about_what_was_put_in():
    scan = room()
    asked = [
        annotation(f"the table next to the {word}", 5, scan="room") for word in ("wall", "curtain", "window", "door")
    ]
    plain = Degradation(share=1, crop=0, cut=0, holes=0, bumps=0, tone=0)
    assert len(degraded(scan, asked, np.random.RandomState(0), plain)[1]) == 4
    for seed in range(6):
        view, left = degraded(scan, asked, np.random.RandomState(seed), replace(plain, sheets=1))
        new = {NAMES200[k] for k in view.labels["semantic200"][len(scan) :]}
        words = {a.description.rpartition(" ")[2] for a in left}
        assert "door" in words
        assert not words & new


def test_pseudo_masks_know_nothing_of_new_points():
    scan = replace(room(), novel_masks=np.eye(6, dtype=bool))
    view, _ = degraded(scan, [], np.random.RandomState(0), Degradation(share=1, crop=0, cut=0, holes=0, sheets=1))
    assert len(view) > len(scan)
    assert view.novel_masks is not None
    assert view.superpoints is not None
    assert scan.novel_masks is not None
    assert view.novel_masks.shape == (6, int(view.superpoints.max()) + 1)
    np.testing.assert_array_equal(view.novel_masks[:, :6], scan.novel_masks)
    assert not view.novel_masks[:, 6:].any()
