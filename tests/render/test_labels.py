"""Names at objects and marks of clicks."""

import numpy as np
import pytest
from PIL import Image

from saymask.masks import Masks
from saymask.render.labels import COLORS, draw_clicks, write_names
from saymask.render.picture import draw
from saymask.render.raster import look_at
from saymask.scan import Scan
from tests.io.rooms import furnished_room
from tests.render.test_picture import SIZE


@pytest.fixture(scope="module")
def room():
    points, colors, owner = furnished_room(0, (4.0, 3.0, 2.6), density=600)
    return Scan(points, colors, name="room"), owner


def four(scan, names):
    return Masks.from_points(scan, np.zeros((4, len(scan)), bool), names=names)


def test_names_are_written_where_there_is_room(room):
    owner = np.full((300, 400), -1, np.int32)
    owner[20:120, 20:120], owner[150:250, 200:300], owner[130:140, 10:14] = 0, 1, 2
    owner[250:, :] = 3
    image = Image.new("RGB", (400, 320), (90, 90, 90))
    write_names(image, owner, four(room[0], ("chair", "chair", "tiny", "floor")), 20)
    changed = (np.asarray(image) != 90).any(-1)
    assert changed[70:110, 40:100].any()
    assert changed[200:240, 220:280].any()
    changed[70:110, 40:100] = changed[200:240, 220:280] = False
    assert not changed.any()  # neither what is tiny nor the floor has a name


def test_names_do_not_cover_each_other(room):
    owner = np.full((300, 400), -1, np.int32)
    owner[100:150, 100:300] = 0
    owner[120:124, 190:230] = -1
    alone = Image.new("RGB", (400, 300), (90, 90, 90))
    write_names(alone, owner, four(room[0], ("cabinet",) * 4), 0)
    owner[120:124, 190:230] = 1
    both = Image.new("RGB", (400, 300), (90, 90, 90))
    write_names(both, owner, four(room[0], ("cabinet",) * 4), 0)
    assert (np.asarray(alone) == np.asarray(both)).all()


def test_objects_have_their_names_in_a_picture_and_classes_have_not(room):
    scan, owner = room
    kinds = np.stack([owner == -1, owner == 0, *(owner == i for i in range(1, 5))])
    labels = np.array([1, 2, 5, 5, 7, 3])
    named = Masks.from_points(scan, kinds, names=("wall", "floor", "chair", "chair", "table", "desk"), labels=labels)
    plain = Masks.from_points(scan, kinds, names=("wall", "floor", "a", "b", "c", "d"), labels=labels)
    white = [(np.asarray(draw(scan, m, size=SIZE))[60:, :440] == 255).all(-1).sum() for m in (named, plain)]
    assert white[0] > white[1] + 100  # the rim of the letters


def test_clicks_are_drawn_where_they_are(room):
    scan, owner = room
    canvas = (640, 480)
    camera = look_at(scan.points.astype(np.float64), np.array([0.0, -0.6, 0.8]), canvas, fill=0.96)
    on, off = scan.points[owner == 1].mean(0), scan.points[owner == 2].mean(0)
    image = Image.new("RGB", (640, 500), (90, 90, 90))
    draw_clicks(image, [(on, True), (off, False)], camera, canvas, 20)
    pixels = np.asarray(image)
    for place, positive in ((on, True), (off, False)):
        x, y = camera.project(place[None].astype(np.float64), canvas)
        rows, columns = np.nonzero((pixels == COLORS[positive]).all(-1))
        assert abs(columns.mean() - x[0]) < 2
        assert abs(rows.mean() - y[0] - 20) < 2
    masks = Masks.from_points(scan, owner == 1)
    with_click = np.asarray(draw(scan, masks, size=SIZE, clicks=[(on, True)]))
    assert (with_click == COLORS[True]).all(-1).sum() > 20
    assert not (np.asarray(draw(scan, masks, size=SIZE)) == COLORS[True]).all(-1).any()
