"""Official infos pickles and the files beside them, in a synthetic copy."""

import collections
import pickle

import numpy as np
import pytest
import torch

from saymask.data.prepare.layouts.uniseg3d import FOLDERS, load_official_scene
from saymask.data.prepare.layouts.uniseg3d_infos import read_infos
from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d.batch import make_sample
from saymask.models.uniseg3d.config import UniSeg3DConfig

N, S = 60, 6
NAME = "scene0000_00"


def arrays():
    """A floor, a chair with objectId 4, a table with objectId 7, and a lamp, which is none of the 20 classes."""
    part = np.arange(N) % 4
    classes = scannet20()
    return {
        "points": np.c_[np.random.RandomState(0).rand(N, 3), np.tile([0, 127.6, 255], (N, 1))].astype(np.float32),
        "instance": np.array([1, 5, 8, 12])[part].astype(np.int64),
        "semantic": np.array([classes[1].nyu40id, classes[4].nyu40id, classes[6].nyu40id, 35])[part].astype(np.int64),
        "superpoints": (part + np.where(np.arange(N) < 8, 2, 0)).astype(np.int64),
    }


def text(sentences=2, **changes):
    tokens = [np.arange(77, dtype=np.int32) + row for row in range(sentences)]
    return {"text": [f"thing {i}" for i in range(sentences)], "text_token": tokens, "label_id": 2} | changes


def entry(**changes):
    name = f"{NAME}.bin"
    return {
        "lidar_points": {"num_pts_feats": 6, "lidar_path": name},
        "pts_semantic_mask_path": name,
        "pts_instance_mask_path": name,
        "super_pts_path": name,
        "axis_align_matrix": np.eye(4),
        "instances": [{"bbox_3d": [0.0] * 6, "bbox_label_3d": np.int64(3)}],
        "text_info": {"4": text(pts_id=np.arange(1, N, 4)), "7": text(1, label_id=np.int64(4))},
        "sam3d_pseudo_sp_masks": torch.eye(2, S) > 0,
    } | changes


def written(folder, *entries, protocol=2, **replaced):
    for what, values in (arrays() | replaced).items():
        (folder / FOLDERS[what]).mkdir(exist_ok=True)
        values.tofile(folder / FOLDERS[what] / f"{NAME}.bin")
    content = {"metainfo": {"categories": {"cabinet": 0}}, "data_list": list(entries)}
    path = folder / "uniseg3d_infos_train.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_read(tmp_path, protocol):
    (info,) = read_infos(written(tmp_path, entry(), protocol=protocol))
    assert info.name == NAME
    np.testing.assert_array_equal(info.novel, np.eye(2, S) > 0)
    first, second = info.texts
    assert (first.object_id, first.label, first.sentences) == (4, 2, ("thing 0", "thing 1"))
    np.testing.assert_array_equal(first.points, np.arange(1, N, 4))
    assert (second.object_id, second.label, second.points) == (7, 4, None)
    scene = load_official_scene(info, tmp_path)
    assert scene.tokens.dtype == np.int64
    np.testing.assert_array_equal(scene.tokens, np.arange(77) + np.array([[0], [1], [0]]))
    asked = [(a.scene_id, a.object_ids, a.ann_id, a.description) for a in scene.annotations]
    assert asked == [(NAME, (4,), 0, "thing 0"), (NAME, (4,), 1, "thing 1"), (NAME, (7,), 2, "thing 0")]
    raw = arrays()
    np.testing.assert_array_equal(scene.scan.points, raw["points"][:, :3])
    np.testing.assert_array_equal(scene.scan.colors, np.tile([0, 128, 255], (N, 1)))
    np.testing.assert_array_equal(scene.scan.labels["semantic20"], np.array([1, 4, 6, -1])[np.arange(N) % 4])
    np.testing.assert_array_equal(scene.scan.labels["instance"], raw["instance"] - 1)
    np.testing.assert_array_equal(scene.scan.superpoints, raw["superpoints"])
    config = UniSeg3DConfig(voxel_size=0.1, augment="none")
    made = make_sample(scene.scan, scene.annotations, config, np.random.RandomState(0), novel=scene.info.novel)
    assert made.truth.labels.tolist() == [2, 4]
    assert made.truth.masks.shape == (4, S)
    assert len(made.texts) == 2


def test_kinds_of_arrays(tmp_path):
    plain = text(1, pts_id=[3, 1])
    plain["text_token"] = torch.arange(77)[None]
    fancy = text(1, pts_id=np.array([3, 1], ">i4"), text_token=np.arange(154).reshape(77, 2, order="A").T[:1])
    infos = read_infos(
        written(
            tmp_path,
            entry(text_info={"1": plain, 2: fancy}, sam3d_pseudo_sp_masks=np.asfortranarray(np.eye(3, S) > 0)),
            entry(text_info={}, sam3d_pseudo_sp_masks=torch.zeros(0, S, dtype=torch.bool)),
            {k: v for k, v in entry().items() if k not in ("text_info", "sam3d_pseudo_sp_masks")},
        )
    )
    assert [len(i.texts) for i in infos] == [2, 0, 0]
    for found in infos[0].texts:
        assert found.points.dtype == np.int64
        assert found.points.tolist() == [3, 1]
    assert infos[0].texts[0].tokens.tolist() == [list(range(77))]
    assert infos[0].texts[1].tokens.tolist() == [list(range(0, 154, 2))]
    np.testing.assert_array_equal(infos[0].novel, np.eye(3, S) > 0)
    assert infos[1].novel.shape == (0, S)
    assert infos[2].novel is None
    scene = load_official_scene(infos[2], tmp_path)
    assert scene.annotations == ()
    assert scene.tokens.shape == (0, 77)


class Evil:
    """Would make a file if anybody unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Storage:
    """A tensor's storage that is itself a file with an `Evil` in it."""

    def __init__(self, path):
        import io

        buffer = io.BytesIO()
        torch.save(Evil(path), buffer, _use_new_zipfile_serialization=False)
        self.data = buffer.getvalue()

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.data,)


@pytest.mark.parametrize("kind", [Evil, Storage, "object array", "word", "counter"])
def test_nothing_else_comes_to_life(tmp_path, kind):
    target = tmp_path / "made"
    bad = {"object array": np.array([{}], object), "word": np.str_("a"), "counter": collections.Counter()}
    value = bad[kind] if isinstance(kind, str) else kind(target)
    with pytest.raises(InputError, match="expected"):
        read_infos(written(tmp_path, entry(extra=value)))
    assert not target.exists()


def test_damaged_files(tmp_path):
    path = written(tmp_path, entry())
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="expected"):
            read_infos(path)
    for other in (b"scene", b"\x80\x02scene.", bytes(40)):
        path.write_bytes(other)
        with pytest.raises(InputError, match="expected a pickle of tensors and numbers"):
            read_infos(path)
    with pytest.raises(InputError, match="no such file"):
        read_infos(tmp_path / "nothing.pkl")
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match="list data_list, got list"):
        read_infos(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lidar_points": {}}, "'lidar_path' is missing"),
        ({"super_pts_path": "../x.bin"}, "superpoints: expected a file name without folders"),
        ({"text_info": [1]}, "text_info: expected a dictionary"),
        ({"sam3d_pseudo_sp_masks": np.zeros((2, S))}, r"expected bool \[J, S\], got float64"),
        ({"sam3d_pseudo_sp_masks": "all"}, "expected an array of numbers"),
        ({"text_info": {"chair": text()}}, "object id"),
        ({"text_info": {"4": {}}}, "expected text, text_token"),
        ({"text_info": {"4": text(label_id=18)}}, "label_id 0..17, got '4' and 18"),
        ({"text_info": {"4": text(text_token=[np.arange(77)])}}, "as many token rows as sentences, got 1 and 2"),
        ({"text_info": {"4": text(text_token=[np.arange(9)] * 2)}}, "77 token ids"),
        ({"text_info": {"4": text(text_token=[np.ones(77)] * 2)}}, "whole numbers, got float64"),
        ({"text_info": {"4": text(pts_id=np.array([-1]))}}, "point numbers from 0"),
    ],
)
def test_entries_that_do_not_fit(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_infos(written(tmp_path, entry(**changes)))


def test_files_that_do_not_fit(tmp_path):
    (info,) = read_infos(written(tmp_path, entry()))
    raw = arrays()
    far = entry(text_info={"4": text(pts_id=np.array([N]))})
    with pytest.raises(InputError, match=f"points below {N}"):
        load_official_scene(read_infos(written(tmp_path, far))[0], tmp_path)
    for replaced, message in (
        ({"points": raw["points"].reshape(-1)[:-1]}, "rows of 6 float32"),
        ({"points": np.full((N, 6), np.nan, np.float32)}, "finite rows"),
        ({"points": np.zeros(7, np.uint8)}, "numbers of 4 bytes"),
        ({"semantic": raw["semantic"][:-1]}, f"expected {N} ids"),
        ({"instance": raw["instance"] - 9}, "ids from 0"),
        ({"superpoints": raw["superpoints"] // 2}, "pseudo masks over 3 superpoints, got 6"),
    ):
        written(tmp_path, entry(), **replaced)
        with pytest.raises(InputError, match=message):
            load_official_scene(info, tmp_path)
    (tmp_path / "semantic_mask" / f"{NAME}.bin").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_official_scene(info, tmp_path)
