import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saymask.errors import InputError
from saymask.labels.tables import scannet20, scannet200
from saymask.masks import Masks
from saymask.render.legend import Panel, class_entries
from saymask.render.palette import HIGHLIGHT, class_colors, mask_colors, of_benchmark, palette
from saymask.render.picture import draw, render
from saymask.render.raster import close_holes, halved, local_spacing, look_at, splat, surface_normals
from saymask.render.visible_points import loose
from saymask.scan import Scan
from tests.io.rooms import furnished_room

SIZE = (640, 480)


@pytest.fixture(scope="module")
def room():
    points, colors, owner = furnished_room(0, (4.0, 3.0, 2.6), ceiling=True, density=600)
    return Scan(points, colors, name="room"), owner


def marked(image, color=0):
    """Pixels that look like the highlight colour: its strongest channel stands out as it does there."""
    pixels = np.asarray(image).astype(float)
    wanted = HIGHLIGHT[color] / np.linalg.norm(HIGHLIGHT[color])
    length = np.linalg.norm(pixels, axis=-1)
    return (pixels @ wanted > 0.985 * length) & (length > 60)


def test_the_ceiling_is_cut_away_and_the_mask_can_be_seen(room):
    scan, owner = room
    for thing in range(1, 5):
        image = draw(scan, Masks.from_points(scan, owner == thing, names=(f"thing {thing}",)), size=SIZE)
        assert image.size == SIZE
        assert marked(image).mean() > 0.004, thing
    plain = draw(scan, size=SIZE)
    assert marked(plain).mean() < 1e-4
    pixels = np.asarray(plain).reshape(-1, 3).astype(int)
    brown = (np.abs(pixels - pixels.mean(1, keepdims=True)).max(1) > 12).mean()
    assert brown > 0.01, "furniture must be seen from above, not a grey ceiling"


def test_every_view_draws_something_else(room):
    scan, owner = room
    masks = Masks.from_points(scan, owner == 1)
    images = [np.asarray(draw(scan, masks, size=(320, 240), view=v)) for v in ("front", "back", "left", "right", "top")]
    for i, a in enumerate(images):
        assert (a[24:] != 250).any(-1).mean() > 0.2
        for b in images[i + 1 :]:
            assert (a != b).any(-1).mean() > 0.1


def test_several_masks_have_several_colours_and_empty_ones_none(room):
    scan, owner = room
    bits = np.stack([owner == 1, owner == 4, owner == 99])
    image = draw(
        scan, Masks.from_points(scan, bits, scores=[0.9, 0.8, 0.1], names=("a", "b", "c")), size=SIZE, view="top"
    )
    assert marked(image, 0).mean() > 0.003
    assert marked(image, 1).mean() > 0.003
    none = Masks(
        scan, np.zeros((0, 1), bool), np.zeros(len(scan), int), np.zeros(0, np.float32), (), message="no object fits"
    )
    assert marked(draw(scan, none, size=SIZE, title="the moon")).mean() < 1e-4


def classified(scan, owner):
    """What `semantic` says of the room: floor, ceiling and walls (owner <= 0) by height, and four things."""
    high = scan.points[:, 2]
    kind = np.where(owner > 0, owner + 3, np.where(high < 0.02, 2, np.where(high > 2.55, 3, 1)))
    names = ("wall", "floor", "ceiling", "bed", "table", "cabinet", "desk")
    ids = {c.name: c.id for c in scannet200()}
    return Masks.from_points(
        scan, kind == np.arange(1, 8)[:, None], names=names[:7], labels=np.array([ids[n] for n in names])
    )


def test_a_result_for_every_point_is_cut_open_like_the_scan(room):
    scan, owner = room
    masks = classified(scan, owner)
    assert masks.union().all()
    pixels = np.asarray(draw(scan, masks, size=SIZE, view="top"))[44:]
    pixels = pixels[pixels.max(-1).astype(int) - pixels.min(-1) > 25].astype(float)  # neither empty nor a line
    wanted = mask_colors(masks) / np.linalg.norm(mask_colors(masks), axis=1, keepdims=True)
    nearest = (pixels @ wanted.T / np.linalg.norm(pixels, axis=1, keepdims=True)).argmax(1)  # light changes the length
    share = np.bincount(nearest, minlength=7) / len(pixels)
    assert share[1] > 0.1, "the floor must be seen from above"
    assert min(share[3:6]) > 0.002, "and what stands on it"
    assert share[2] < 0.02, "no ceiling over it"


def test_a_result_with_many_classes_has_a_panel(room):
    scan, owner = room
    masks = classified(scan, owner)
    entries = class_entries(masks)
    assert sorted(e.name for e in entries) == sorted(masks.names)
    assert [e.points for e in entries] == sorted((masks.count(i) for i in range(7)), reverse=True)
    wide = np.asarray(draw(scan, masks, size=SIZE))
    right = wide[44:, -20:]
    assert (right.min(-1) > 100).all(), "nothing of the room is drawn below the panel"
    for entry in entries:
        # with 640 pixels a swatch is about ten pixels wide
        assert (wide[44:, SIZE[0] // 2 :] == np.array(entry.color)).all(-1).sum() > 40, entry.name
    few = Masks.from_points(scan, masks.dense[4:6], names=masks.names[4:6], labels=masks.labels[4:6])
    assert (np.asarray(draw(scan, few, size=SIZE))[44:, -20:] == 255).all(-1).mean() < 0.9


def test_a_panel_holds_what_fits_the_largest_first(room):
    scan, _ = room
    labels = np.arange(60) + 5000
    bits = np.arange(len(scan)) % 2000 < np.arange(60)[:, None] + 1
    bits[1:] &= ~bits[:-1]
    bits[40] = np.arange(len(scan)) % 2000 >= 60
    masks = Masks.from_points(scan, bits, names=tuple(f"a thing with the number {i}" for i in range(60)), labels=labels)
    for size in ((1280, 960), (640, 480), (400, 300), (410, 160)):
        panel = Panel.of(scan, masks, size, 44)
        assert panel is not None
        assert panel.entries[0].name.endswith(" 40")
        assert len(panel.entries) + panel.more == 60
        assert panel.more > 0
        assert panel.width <= 0.3 * size[0]
        assert 44 + panel.row * (len(panel.entries) + 1.5) <= size[1]
    assert Panel.of(scan, masks, (320, 240), 44) is None
    assert draw(scan, masks, size=(320, 240)).size == (320, 240)
    tall = Panel.of(scan, masks, (900, 4000), 60)
    assert tall is not None
    assert (len(tall.entries), tall.more) == (60, 0)


def test_classes_have_the_benchmarks_colours(room):
    scan, owner = room
    bits = owner == np.array([[1], [2], [3], [4], [5]])
    known = {c.name: c for c in scannet200()}
    names = ("lamp", "wall", "lamp", "my thing", "your thing")
    labels = np.array([known["lamp"].id, 1, known["lamp"].id, 2, 1000])
    masks = Masks.from_points(scan, bits, names=names, labels=labels)
    colors = class_colors(masks)
    assert colors[1].tolist() == [174, 199, 232]
    assert colors[known["lamp"].id].tolist() == list(known["lamp"].color)
    np.testing.assert_array_equal([colors[2], colors[1000]], HIGHLIGHT[:2])  # id 2 is a chair only if called so
    own = mask_colors(masks)
    assert np.abs(own[0] - own[2]).max() > 20
    np.testing.assert_array_equal(own[0], colors[known["lamp"].id])
    assert not of_benchmark(masks)
    assert of_benchmark(Masks.from_points(scan, bits[:3], names=names[:3], labels=labels[:3]))
    twenty = scannet20()[4]
    one = Masks.from_points(scan, bits[:1], names=(twenty.name,), labels=np.array([twenty.id]))
    assert class_colors(one)[twenty.id].tolist() == list(twenty.color)
    words = Masks.from_points(scan, bits[:2], names=("something to sit on", "lamp"), labels=np.array([1, 2]))
    assert not of_benchmark(words)
    assert not of_benchmark(Masks.from_points(scan, bits[:2], names=("wall", "wall")))


def test_a_long_palette_does_not_repeat():
    colors = palette(60)
    assert colors.shape == (60, 3)
    assert colors.min() >= 0
    assert colors.max() <= 255
    apart = np.linalg.norm(colors[:, None] - colors, axis=-1) + 999 * np.eye(60)
    assert apart.min() > 8
    assert apart[:16, :16].min() > 40
    np.testing.assert_array_equal(palette(3), HIGHLIGHT[:3])


def test_found_things_are_shown_wherever_they_are(room):
    scan, owner = room
    ceiling = scan.points[:, 2] > 2.55
    bits = np.stack([ceiling & (scan.points[:, 0] < 1.0), owner == 1, owner == 2, owner == 3])
    masks = Masks.from_points(scan, bits, names=("lamp", "b", "c", "d"), labels=np.arange(4) + 1)
    image = np.asarray(draw(scan, masks, size=SIZE))[44:, : SIZE[0] // 2 + 150]
    assert marked(image, 0).mean() > 0.01


def test_what_was_not_found_is_said_in_the_picture(room):
    scan, _ = room
    message = "nothing fits: " + "lamp (best relevance 0.31, asked 0.50), " * 5
    none = Masks(
        scan, np.zeros((0, 1), bool), np.zeros(len(scan), int), np.zeros(0, np.float32), (), np.zeros(0, int), message
    )
    bar = np.asarray(draw(scan, none, size=SIZE, title="lamp"))[:44]
    assert (bar[:, SIZE[0] // 2 :] < 160).any(), "a long message is cut, not left out"
    assert (bar[:, -10:] == 255).all()


def test_pictures_are_written_whole_or_not_at_all(room, tmp_path):
    scan, owner = room
    render(scan, Masks.from_points(scan, owner == 2), tmp_path / "a.png", size=(320, 240), title="x" * 500)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (320, 240)
        assert image.format == "PNG"
    with pytest.raises(InputError, match=r"ending in \.png"):
        render(scan, None, tmp_path / "a.gif")
    with pytest.raises(InputError, match="view: expected"):
        draw(scan, view="under")
    with pytest.raises(InputError, match="without a known sensor"):
        draw(scan, view="camera")
    with pytest.raises(InputError, match="picture size"):
        draw(scan, size=(10, 10))


def test_the_camera_fits_all_points_into_the_canvas():
    points = furnished_room(density=20)[0].astype(float)
    for azimuth in np.linspace(0, 2 * np.pi, 7):
        for elevation in (10.0, 48.0, 89.0):
            e = np.deg2rad(elevation)
            back = np.array([np.cos(azimuth) * np.cos(e), np.sin(azimuth) * np.cos(e), np.sin(e)])
            camera = look_at(points, back, (400, 300), 0.96)
            x, y = camera.project(points, (400, 300))
            assert x.min() > 4
            assert x.max() < 396
            assert y.min() > 3
            assert y.max() < 297
            assert max(np.ptp(x) / 400, np.ptp(y) / 300) > 0.85


def test_splats_are_hidden_by_nearer_ones_and_hold_the_nearest_point():
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 60), indexing="ij"), -1).reshape(-1, 2)
    low = np.concatenate([grid, np.zeros((3600, 1))], 1)
    high = np.concatenate([grid * 0.3, np.full((3600, 1), 0.8)], 1)
    points = np.concatenate([low, high]).astype(np.float32)
    normals = np.tile(np.float32([0, 0, 1]), (7200, 1))
    camera = look_at(points.astype(float), np.array([0, -0.05, 0.99875]), (200, 200), 0.9)
    index, depth = splat(camera, points, normals, np.full(7200, 0.03, np.float32), 200, 200)
    assert index[100, 100] >= 3600
    assert 0 <= index[30, 30] < 3600
    x, y = camera.project(points.astype(float), (200, 200))
    seen = np.argwhere(index >= 0)
    rows = index[index >= 0]
    assert np.hypot(x[rows] - seen[:, 1] - 0.5, y[rows] - seen[:, 0] - 0.5).max() < 8
    assert np.isinf(depth[index < 0]).all()


def test_holes_close_and_the_outside_stays_empty():
    index = np.full((60, 60), -1, np.int32)
    index[10:50, 10:50] = 7
    index[28:32, 25:33] = -1
    depth = np.where(index >= 0, 2.0, np.inf).astype(np.float32)
    close_holes(index, depth, 6)
    assert (index[10:50, 10:50] == 7).all()
    assert (depth[10:50, 10:50] == 2.0).all()
    index[10:50, 10:50] = -1
    assert (index == -1).all()


@given(st.integers(0, 2**31), st.integers(1, 7))
@settings(max_examples=20)
def test_holes_close_as_a_plain_search_says(seed, reach):
    rng = np.random.RandomState(seed)
    index = np.where(rng.rand(24, 31) < 0.25, rng.randint(0, 99, (24, 31)), -1).astype(np.int32)
    depth = np.where(index >= 0, rng.rand(24, 31), np.inf).astype(np.float32)
    expected, far = index.copy(), depth.copy()
    for y, x in np.argwhere(index < 0):
        found = []
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            for step in range(1, reach + 1):
                at = (y + dy * step, x + dx * step)
                if min(at) < 0 or at[0] >= 24 or at[1] >= 31:
                    break
                if index[at] >= 0:
                    found.append((step, at))
                    break
        if len(found) >= 6:
            nearest = min(found, key=lambda pair: pair[0])[1]  # the first of equal ones
            expected[y, x], far[y, x] = index[nearest], depth[nearest]
    close_holes(index, depth, reach)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(depth, far)


def test_two_by_two_pixels_become_one():
    picture = np.random.RandomState(0).uniform(-30, 300, (7, 10, 3)).astype(np.float32)
    expected = picture[:6].reshape(3, 2, 5, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(halved(picture), np.clip(expected, 0, 255), atol=0.51)


def test_spacing_and_normals_follow_the_surface():
    rng = np.random.default_rng(0)
    dense = np.concatenate([rng.random((20_000, 2)), np.zeros((20_000, 1))], 1)
    sparse = np.concatenate([rng.random((400, 2)) + np.array([3, 0]), np.zeros((400, 1))], 1)
    points = np.concatenate([dense, sparse])[:, [0, 2, 1]].astype(np.float32)
    spacing = local_spacing(points)
    assert np.median(spacing[:20_000]) == pytest.approx((4 / (np.pi * 20_000)) ** 0.5, rel=0.25)
    assert np.median(spacing[20_000:]) == pytest.approx((4 / (np.pi * 400)) ** 0.5, rel=0.35)
    normals = surface_normals(points, spacing)
    assert (np.abs(normals[:, 1]) > 0.99).mean() > 0.99


def test_loose_parts_are_small_ones():
    grid = np.stack(np.meshgrid(*[np.arange(0, 1, 0.05)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)
    scrap = np.array([[3.0, 3.0, 3.0], [3.05, 3.0, 3.0]], np.float32)
    assert loose(np.concatenate([grid, scrap])).tolist() == [False] * len(grid) + [True, True]
    assert loose(np.zeros((0, 3), np.float32)).shape == (0,)
