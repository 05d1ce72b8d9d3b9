"""LGround's anchors and class weights: made, stored, read again, and the official files read without their code."""

import collections
import io
import json
import pickle
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from saymask.data.class_frequencies import Frequencies, count_classes
from saymask.data.scenes import save_scene, scene_path
from saymask.errors import InputError
from saymask.io.pickles import read_pickle
from saymask.labels.tables import scannet200
from saymask.models.lground.anchors import (
    ATTRIBUTES,
    OFFICIAL,
    load_anchors,
    make_anchors,
    save_anchors,
    scannet200_names,
)
from saymask.models.lground.frequency import (
    class_weights,
    read_class_weights,
    read_sampling_weights,
)
from saymask.scan import Scan
from saymask.text import CachedText
from saymask.text.encoder import encoder_from_folder
from tests.text.tiny import tiny_clip

NAMES = ("chair", "table lamp", "café", "trash can")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_from_folder(tiny_clip(tmp_path_factory.mktemp("clip")), "tiny-clip")


def test_anchors_are_the_sentence_features_of_the_bare_names(encoder):
    anchors = make_anchors(NAMES, encoder, batch_size=3)
    with torch.no_grad():
        alone = torch.cat([encoder([name]).sentence for name in NAMES])
    torch.testing.assert_close(anchors.features, alone)
    assert (anchors.names, anchors.encoder, anchors.fingerprint) == (NAMES, "tiny-clip", encoder.fingerprint)
    assert anchors.dim == encoder.sentence_dim
    assert len(anchors) == 4


def test_attributes_and_templates(encoder):
    anchors = make_anchors(NAMES, encoder, attributes=ATTRIBUTES)
    assert anchors.features.shape == (4, 9, anchors.dim)
    torch.testing.assert_close(anchors.plain, make_anchors(NAMES, encoder).features)
    with torch.no_grad():
        torch.testing.assert_close(anchors.features[2, 7], encoder(["A big café"]).sentence[0])
        two = F.normalize(encoder(["a chair", "chair!"]).sentence, dim=1).mean(0)
    found = make_anchors(["chair"], encoder, templates=("a {}", "{}!"))
    torch.testing.assert_close(found.features[0], two)


@pytest.mark.parametrize("attributes", [("",), ATTRIBUTES])
def test_stored_anchors_come_back(encoder, tmp_path, attributes):
    anchors = make_anchors(NAMES, encoder, attributes=attributes)
    again = load_anchors(save_anchors(tmp_path / "deep/anchors.safetensors", anchors))
    assert torch.equal(again.features, anchors.features)
    for field in ("names", "encoder", "fingerprint", "templates", "attributes"):
        assert getattr(again, field) == getattr(anchors, field)
    chosen = load_anchors(tmp_path / "deep/anchors.safetensors", ("trash can", "chair"))
    assert torch.equal(chosen.features, anchors.features[[3, 0]])


def test_a_cached_encoder_gives_the_same_anchors(encoder, tmp_path):
    cached = make_anchors(NAMES, CachedText(encoder, folder=tmp_path))
    direct = make_anchors(NAMES, encoder)
    torch.testing.assert_close(cached.features, direct.features)
    assert cached.fingerprint == direct.fingerprint


@pytest.mark.slow
def test_the_packaged_encoder_tells_the_200_names_apart():
    anchors = make_anchors(scannet200_names(), "minilm")
    assert anchors.features.shape == (200, 384)
    unit = F.normalize(anchors.features, dim=1)
    similarity = unit @ unit.T
    row = dict(zip(anchors.names, range(200)))
    assert (similarity.argmax(1) == torch.arange(200)).all()
    assert similarity[row["chair"], row["office chair"]] > similarity[row["chair"], row["toilet paper"]]


@pytest.mark.parametrize("shape", [(200, 512), (200, 9, 512)])
@pytest.mark.parametrize("way", ["pickle", "torch", "torch legacy"])
def test_the_official_anchors(tmp_path, shape, way):
    features = torch.randn(shape).half()
    path = tmp_path / "clip_feats_scannet_200.pkl"
    if way == "pickle":
        path.write_bytes(pickle.dumps(features))
    else:
        torch.save(features, path, _use_new_zipfile_serialization=way == "torch")
    anchors = load_anchors(path)
    assert torch.equal(anchors.features, features.float())
    assert (anchors.names, anchors.encoder) == (scannet200_names(), OFFICIAL)
    assert len(anchors.attributes) == (9 if len(shape) == 3 else 1)
    assert torch.equal(load_anchors(path, ["chair"]).plain, anchors.plain[1:2])


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "at least one"),
        ("chair", {}, "a list of names"),
        (["chair", " "], {}, "expected text, got ' '"),
        (["chair", "lamp", "chair"], {}, "'chair' twice"),
        (["chair"], {"templates": ("a chair",)}, "one {} for the name"),
        (["chair"], {"templates": ()}, "one {} for the name"),
        (["chair"], {"attributes": ("red ",)}, "first to be empty"),
    ],
)
def test_names_and_templates_that_cannot_be(encoder, names, options, message):
    with pytest.raises(InputError, match=message):
        make_anchors(names, encoder, **options)


def test_files_that_are_no_anchors(encoder, tmp_path):
    anchors = make_anchors(NAMES, encoder)
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_anchors(tmp_path / "a.pt", anchors)
    with pytest.raises(InputError, match="no such file of anchors"):
        load_anchors(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected a safetensors file"):
        load_anchors(tmp_path / "a.safetensors")
    save_file({"anchors": np.zeros((2, 3), np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="another safetensors file"):
        load_anchors(tmp_path / "a.safetensors")
    save_anchors(tmp_path / "a.safetensors", anchors)
    with pytest.raises(InputError, match="none for sofa, bed"):
        load_anchors(tmp_path / "a.safetensors", ["chair", "sofa", "bed"])
    for wrong, message in (
        (torch.zeros(20, 512), r"got \[20, 512\]"),
        ({"a": 1}, "got dict"),
        (torch.full((200, 4), torch.nan), "finite anchors"),
    ):
        (tmp_path / "b.pkl").write_bytes(pickle.dumps(wrong))
        with pytest.raises(InputError, match=message):
            load_anchors(tmp_path / "b.pkl")


class Evil:
    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('ran').touch()",))


def _inside_a_storage():
    """A pickled tensor whose storage bytes are themselves a pickle that runs code."""
    buffer = io.BytesIO()
    torch.save(Evil(), buffer)

    class Storage:
        def __reduce__(self):
            return (torch.storage._load_from_bytes, (buffer.getvalue(),))

    return Storage()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("make", [Evil, lambda: {1: Evil()}, _inside_a_storage])
@pytest.mark.parametrize("way", ["pickle", "torch"])
def test_no_code_of_a_file_runs(tmp_path, monkeypatch, make, way):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    if way == "pickle":
        path.write_bytes(pickle.dumps(make()))
    else:
        torch.save(make(), path)
    with pytest.raises(InputError, match=r"evil\.pkl"):
        read_pickle(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_numbers_and_containers_are_read(tmp_path, protocol):
    value = {
        3: np.float64(0.5),
        np.int64(7): np.float32(2.5),
        "list": [1, (2.0, None)],
        "o": collections.OrderedDict(a=1),
    }
    path = tmp_path / "v.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert read_pickle(path) == value


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"hello", b"PK\x03\x04 no zip"])
def test_a_damaged_pickle_is_said(tmp_path, content):
    (tmp_path / "v.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"v\.pkl: expected a pickle"):
        read_pickle(tmp_path / "v.pkl")
    with pytest.raises(InputError, match="no such file"):
        read_pickle(tmp_path / "w.pkl")


def write_weights(path, weights):
    path.write_bytes(pickle.dumps(weights))
    return path


def test_official_class_weights_and_the_bug_of_ids_outside_the_200(tmp_path):
    classes = scannet200()
    weights = {c.id: 0.5 + c.index for c in classes if c.index != 7}
    outside = next(i for i in range(1, 2000) if i not in {c.id for c in classes})
    path = write_weights(tmp_path / "w.pkl", weights | {outside: np.float64(0.125)})
    expected = torch.arange(200) + 0.5
    expected[7] = 1
    assert torch.equal(read_class_weights(path), expected)
    expected[199] = 0.125
    assert torch.equal(read_class_weights(path, compat=True), expected)


def test_official_sampling_weights(tmp_path):
    assert torch.equal(read_sampling_weights(), torch.full((200,), 1 / 200, dtype=torch.float64))
    a, b = scannet200()[150], scannet200()[199]
    found = read_sampling_weights(write_weights(tmp_path / "w.pkl", {a.id: 1.0, b.id: 3, 99999: 5.0}))
    assert found[150] == 0.25
    assert found[199] == 0.75
    assert found.sum() == 1
    with pytest.raises(InputError, match="at least one class"):
        read_sampling_weights(write_weights(tmp_path / "w.pkl", {a.id: 0.0}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1.0], "got list"),
        ({}, "expected a dictionary"),
        ({"chair": 1.0}, "'chair'"),
        ({1: -2.0}, "at least 0"),
        ({1: float("nan")}, "at least 0, got nan"),
        ({1: [2]}, "list"),
    ],
)
def test_weights_that_cannot_be(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_class_weights(write_weights(tmp_path / "w.pkl", content))


def write_scene(data, name, semantic=None, instance=None):
    count = 12 if semantic is None else len(semantic)
    labels = {} if semantic is None else {"semantic200": np.asarray(semantic, np.int16)}
    if instance is not None:
        labels["instance"] = np.asarray(instance, np.int32)
    points = np.random.default_rng(0).random((count, 3)).astype(np.float32)
    colors = np.zeros((count, 3), np.uint8)
    save_scene(scene_path(data, name), Scan(points=points, colors=colors, labels=labels, name=name), objects={})


@pytest.fixture
def data(tmp_path):
    write_scene(tmp_path, "a", [0, 0, 0, 1, 1, 2, -1, -1], [-1, -1, -1, 4, 4, 9, 9, -1])
    write_scene(tmp_path, "b", [1, 1, 150, 150, 150, 2], [0, 0, 7, 7, 7, 7])
    write_scene(tmp_path, "c")
    write_scene(tmp_path, "d", [3, 3])
    manifest = {"splits": {"train": ["b", "a", "c"], "val": ["d"]}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_classes_are_counted(data):
    found = count_classes(data)
    assert {i: n for i, n in enumerate(found.points) if n} == {0: 3, 1: 4, 2: 2, 150: 3}
    assert {i: n for i, n in enumerate(found.objects) if n} == {1: 2, 2: 1, 150: 1}
    assert {i: n for i, n in enumerate(found.scenes) if n} == {0: 1, 1: 2, 2: 2, 150: 1}
    assert (found.unlabelled, found.counted, found.left_out) == (2, 2, ("c",))
    assert len(found.absent()) == 196
    assert "wall" not in found.absent()
    assert count_classes(data, ["d"]).points[3] == 2


def test_counts_are_kept_until_a_scene_changes(data, monkeypatch):
    first = count_classes(data)
    with monkeypatch.context() as patch:
        patch.setattr("saymask.data.class_frequencies._count", lambda *_: pytest.fail("counted again"))
        assert count_classes(data) == first
    write_scene(data, "a", [5] * 40)
    assert count_classes(data).points[5] == 40


def test_a_damaged_or_unwritable_cache_is_said(data):
    first = count_classes(data)
    (path,) = (data / "class_frequencies").iterdir()
    path.write_text("{")
    with pytest.warns(UserWarning, match="damaged"):
        assert count_classes(data) == first
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="counted again next time"):
        assert count_classes(data) == first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert count_classes(data, cache=False) == first


@pytest.mark.parametrize(
    ("scenes", "options", "message"),
    [
        ("test", {}, "a split of train, val, got 'test'"),
        ([], {}, "at least one scene"),
        (["c"], {}, "none of 1 scenes has the labels semantic200"),
        (["nowhere"], {}, "no such prepared scene"),
        ("train", {"labels": "nyu40"}, "semantic200 or semantic20"),
    ],
)
def test_counting_what_is_not_there(data, scenes, options, message):
    with pytest.raises(InputError, match=message):
        count_classes(data, scenes, **options)


def frequencies(points, objects=None):
    full = tuple(points.get(i, 0) for i in range(200))
    things = tuple((objects or {}).get(i, 0) for i in range(200))
    return Frequencies("semantic200", full, things, full, 0, 1, ())


def test_class_weights_follow_the_inverse_logarithm():
    points = {0: 10_000_000, 1: 5000, 9: 1}
    weights = class_weights(frequencies(points))
    present = weights[list(points)]
    assert present.mean().item() == pytest.approx(1)
    assert weights.mean().item() == pytest.approx(1)
    expected = 1 / np.log(1 + np.array(list(points.values())))
    np.testing.assert_allclose(present / present.sum(), expected / expected.sum(), rtol=1e-6)
    assert (weights[[i for i in range(200) if i not in points]] == 1).all()
    assert torch.equal(class_weights(frequencies({})), torch.ones(200))
