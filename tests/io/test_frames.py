import shutil

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.io.frames import FrameSkipped, find_frames, frame_files, open_frames
from tests.data.fake_frames import (
    COLOR_SIZE,
    DEPTH_SIZE,
    intrinsics,
    jpeg,
    matrix_text,
    record,
    write_folder,
    write_sens,
)


@pytest.fixture(scope="module")
def recording():
    points = np.random.default_rng(0).uniform([0, 0, 0], [4, 3, 2.5], (3000, 3))
    recording = record(points, frames=23)
    recording.color_extrinsics[0, 3] = 0.05
    return recording


@pytest.fixture
def folder(recording, tmp_path):
    write_folder(tmp_path / "scene", recording)
    return tmp_path / "scene"


def same(a, b):
    """The same frames and cameras, up to the six decimals of exported text."""
    assert a.numbers == b.numbers
    assert (a.color_size, a.depth_size) == (b.color_size, b.depth_size)
    for name in ("depth", "color", "depth_to_color"):
        np.testing.assert_allclose(getattr(a.calibration, name), getattr(b.calibration, name), atol=2e-6)
    for number in a.numbers:
        one, two = a.read(number), b.read(number)
        np.testing.assert_array_equal(one.depth, two.depth)
        np.testing.assert_array_equal(one.color, two.color)
        np.testing.assert_allclose(one.pose, two.pose, atol=2e-6)


def test_sens_and_export_are_the_same(recording, folder, tmp_path):
    write_sens(tmp_path / "scene.sens", recording)
    with open_frames(tmp_path / "scene.sens") as sens, open_frames(folder) as exported:
        assert sens.name == exported.name == "scene"
        assert sens.numbers == [0, 10, 20]
        same(sens, exported)
        np.testing.assert_allclose(sens.calibration.depth_to_color[0, 3], -0.05, atol=1e-6)
        assert sens.messages == exported.messages == ()
    with open_frames(tmp_path / "scene.sens", every=4) as sens:
        assert sens.numbers == [0, 4, 8, 12, 16, 20]


def rename_folders(folder):
    (folder / "color").rename(folder / "rgb")
    (folder / "pose").rename(folder / "poses")


def pad_numbers(folder):
    """Zeros in front for some kinds only: color/10.jpg belongs to depth/000010.png."""
    for kind in ("depth", "pose"):
        for path in list((folder / kind).iterdir()):
            path.rename(path.with_name(f"{int(path.stem):06d}{path.suffix}"))


def png_colors(folder):
    for path in list((folder / "color").iterdir()):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()


def flat(folder):
    """frame-000010.color.jpg and the calibration in _info.txt."""
    lines = ["m_versionNumber = 4", "m_depthShift = 1000"]
    for kind in ("Color", "Depth"):
        for part in ("Intrinsic", "Extrinsic"):
            text = (folder / "intrinsic" / f"{part.lower()}_{kind.lower()}.txt").read_text()
            lines.append(f"m_calibration{kind}{part} = {' '.join(text.split())} ")
    for kind in ("color", "depth", "pose"):
        for path in (folder / kind).iterdir():
            path.rename(folder / f"frame-{int(path.stem):06d}.{kind}{path.suffix}")
        (folder / kind).rmdir()
    shutil.rmtree(folder / "intrinsic")
    (folder / "_info.txt").write_text("\n".join(lines) + "\n")


def intrinsics_beside(folder):
    for path in list((folder / "intrinsic").iterdir()):
        path.rename(folder / path.name.replace("intrinsic_", "intrinsics_"))


def three_by_three(folder):
    for kind in ("color", "depth"):
        path = folder / "intrinsic" / f"intrinsic_{kind}.txt"
        path.write_text(matrix_text(np.loadtxt(path)[:3, :3]))


def hidden_files(folder):
    (folder / "color" / ".30.jpg").write_bytes(b"")
    (folder / "color" / "notes.md").write_text("")


@pytest.mark.parametrize(
    "change", [rename_folders, pad_numbers, png_colors, flat, intrinsics_beside, three_by_three, hidden_files]
)
def test_common_layouts(recording, folder, tmp_path, change):
    write_folder(tmp_path / "other", recording)
    change(tmp_path / "other")
    with open_frames(folder) as plain, open_frames(tmp_path / "other") as other:
        same(plain, other)
        assert other.messages == ()


def test_depth_units_of_info_file(folder):
    flat(folder)
    info = folder / "_info.txt"
    info.write_text(info.read_text().replace("m_depthShift = 1000", "m_depthShift = 500"))
    raw = np.asarray(Image.open(folder / "frame-000010.depth.png"))
    np.testing.assert_allclose(open_frames(folder).depth(10), raw / 500, rtol=1e-6)
    info.write_text(info.read_text().replace("m_depthShift = 500", "m_depthShift = none"))
    with pytest.raises(InputError, match="m_depthShift"):
        open_frames(folder)


def test_one_intrinsics_file_for_all(folder):
    text = (folder / "intrinsic" / "intrinsic_depth.txt").read_text()
    shutil.rmtree(folder / "intrinsic")
    with pytest.raises(InputError, match="intrinsic_depth"):
        open_frames(folder)
    (folder.parent / "intrinsics.txt").write_text(text)
    frames = open_frames(folder)
    assert frames.calibration.color is None
    assert "same field of view" in frames.messages[0]
    # Images of another shape cannot see the same.
    for path in (folder / "color").iterdir():
        path.write_bytes(jpeg(np.zeros((90, 90, 3), np.uint8)))
    with pytest.raises(InputError, match="90 x 90"):
        open_frames(folder)


def test_intrinsics_of_native_size_are_scaled(folder):
    native = intrinsics((640, 480))
    (folder / "intrinsic" / "intrinsic_depth.txt").write_text(matrix_text(native))
    frames = open_frames(folder)
    np.testing.assert_allclose(frames.calibration.depth, intrinsics(DEPTH_SIZE), atol=1e-4)
    assert "scaled" in frames.messages[0]
    odd = native.copy()
    odd[:2, 2] = 1000, 200
    (folder / "intrinsic" / "intrinsic_depth.txt").write_text(matrix_text(odd))
    with pytest.raises(InputError, match="do not belong to images of 64 x 48"):
        open_frames(folder)


@pytest.mark.parametrize(
    ("text", "message"), [("1 2 3", "3 numbers"), ("x", "0 numbers"), (matrix_text(np.zeros((4, 4))), "focal lengths")]
)
def test_broken_intrinsics(folder, text, message):
    (folder / "intrinsic" / "intrinsic_depth.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        open_frames(folder)


def test_extrinsics_that_cannot_be_inverted(folder):
    (folder / "intrinsic" / "extrinsic_color.txt").write_text(matrix_text(np.zeros((4, 4))))
    with pytest.raises(InputError, match="inverted"):
        open_frames(folder)


def lose(folder):
    (folder / "pose" / "10.txt").write_text(matrix_text(np.full((4, 4), -np.inf)))


def nan_pose(folder):
    (folder / "pose" / "10.txt").write_text("nan " * 16)


def short_pose(folder):
    (folder / "pose" / "10.txt").write_text("1 0 0 0 0 1")


def depth_of_another_size(folder):
    Image.fromarray(np.ones((40, 64), np.uint16)).save(folder / "depth" / "10.png")


def color_of_another_size(folder):
    (folder / "color" / "10.jpg").write_bytes(jpeg(np.zeros((72, 95, 3), np.uint8)))


def no_depth_measured(folder):
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(folder / "depth" / "10.png")


def cut(name):
    def change(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lose, "with an infinite pose"),
        (nan_pose, "with an infinite pose"),
        (short_pose, "with a damaged pose"),
        (remove("pose/10.txt"), "without a pose"),
        (remove("depth/10.png"), "without depth"),
        (remove("color/10.jpg"), "without a colour image"),
        (cut("depth/10.png"), "with damaged depth"),
        (cut("color/10.jpg"), "with a damaged colour image"),
        (depth_of_another_size, "with depth of another size"),
        (color_of_another_size, "with a colour image of another size"),
        (no_depth_measured, "without measured depth"),
    ],
)
def test_frames_that_cannot_be_used(folder, change, reason):
    change(folder)
    frames = open_frames(folder)
    assert frames.numbers == [0, 10, 20]
    with pytest.raises(FrameSkipped, match=reason):
        frames.read(10)
    frames.read(0)
    frames.read(20)


def test_sens_frames_that_cannot_be_used(recording, tmp_path):
    from dataclasses import replace

    poses = [*recording.pose]
    poses[10] = np.full((4, 4), -np.inf)
    colors = [*recording.color]
    colors[20] = colors[20][:50]
    write_sens(tmp_path / "a.sens", replace(recording, pose=poses, color=colors))
    with open_frames(tmp_path / "a.sens") as frames:
        frames.read(0)
        with pytest.raises(FrameSkipped, match="infinite pose"):
            frames.read(10)
        with pytest.raises(FrameSkipped, match="colour image of another size"):
            frames.read(20)


def test_the_common_size_counts_not_the_first(folder):
    (folder / "color" / "0.jpg").write_bytes(jpeg(np.zeros((10, 12, 3), np.uint8)))
    frames = open_frames(folder)
    assert frames.color_size == COLOR_SIZE
    with pytest.raises(FrameSkipped, match="another size"):
        frames.read(0)


def test_pictures_of_depth_are_refused(folder):
    Image.fromarray(np.ones((48, 64), np.uint8)).save(folder / "depth" / "10.png")
    with pytest.raises(InputError, match="16-bit"):
        open_frames(folder).read(10)


def test_numbers_of_frames(folder):
    for kind in ("color", "depth", "pose"):
        for path in list((folder / kind).iterdir()):
            path.rename(path.with_name(f"{int(path.stem) + 5}{path.suffix}"))
    frames = open_frames(folder)
    assert frames.numbers == [5, 15, 25]
    assert "no frame number is a multiple of 10: all 3" in frames.messages[0]
    assert open_frames(folder, every=3).numbers == [15]
    for kind in ("color", "depth", "pose"):
        for path in list((folder / kind).iterdir()):
            path.rename(path.with_name(f"view{'abc'[int(path.stem) // 10]}{path.suffix}"))
    frames = open_frames(folder, every=2)
    assert "not numbered" in frames.messages[0]
    assert frames.numbers == [0, 2]
    frames.read(2)


def test_find_frames(recording, folder, tmp_path):
    assert find_frames("scene", tmp_path) == folder
    assert find_frames("scene", folder) == folder
    assert find_frames("scene", tmp_path / "nowhere", tmp_path) == folder
    assert find_frames("other", tmp_path) is None
    assert find_frames("other", folder) is None
    assert find_frames("scen", tmp_path) is None
    folder.rename(tmp_path / "kept")
    (tmp_path / "scans" / "scene").mkdir(parents=True)
    (tmp_path / "kept").rename(tmp_path / "scans" / "scene" / "frames")
    assert find_frames("scene", tmp_path / "scans") == tmp_path / "scans" / "scene" / "frames"
    assert find_frames("scene", tmp_path / "scans" / "scene") == tmp_path / "scans" / "scene" / "frames"
    write_sens(tmp_path / "scans" / "scene" / "scene.sens", recording)  # the whole recording wins over an export
    assert find_frames("scene", tmp_path / "scans") == tmp_path / "scans" / "scene" / "scene.sens"
    assert find_frames("scene", tmp_path / "scans" / "scene" / "scene.sens").name == "scene.sens"


def test_files_of_frames(recording, folder, tmp_path):
    names = {str(p.relative_to(folder)) for p in frame_files(folder, every=20)}
    assert {"color/0.jpg", "depth/20.png", "pose/20.txt", "intrinsic/intrinsic_depth.txt"} <= names
    assert not any("10." in name for name in names)
    write_sens(tmp_path / "a.sens", recording)
    assert frame_files(tmp_path / "a.sens") == [tmp_path / "a.sens"]


def test_what_is_no_recording(folder, tmp_path):
    with pytest.raises(InputError, match="color/, depth/ and pose/"):
        open_frames(tmp_path)
    with pytest.raises(InputError, match=r"\.sens"):
        open_frames(tmp_path / "video.mp4")
    with pytest.raises(InputError, match="every"):
        open_frames(folder, every=0)
    for kind in ("color", "depth", "pose"):
        shutil.rmtree(folder / kind)
        (folder / kind).mkdir()
    with pytest.raises(InputError, match="found none"):
        open_frames(folder)


def test_no_image_can_be_read(folder):
    for path in (folder / "depth").iterdir():
        path.write_bytes(b"not an image")
    with pytest.raises(InputError, match="none can be read"):
        open_frames(folder)
