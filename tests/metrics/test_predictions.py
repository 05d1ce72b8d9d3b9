import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.metrics.predictions import (
    Predicted,
    by_annotation,
    check_export,
    decode_mask,
    encode_mask,
    is_predictions,
    predicted,
    read_predictions,
    save_predictions,
)

masks = st.lists(st.booleans(), max_size=60).map(lambda bits: np.array(bits, bool))


@given(masks)
@settings(max_examples=100, deadline=None)
def test_run_lengths(mask):
    text = encode_mask(mask)
    np.testing.assert_array_equal(decode_mask(text, len(mask)), mask)
    numbers = [int(word) for word in text.split()]
    by_hand = np.zeros(len(mask), bool)
    for start, length in zip(numbers[::2], numbers[1::2]):
        by_hand[start - 1 : start - 1 + length] = True  # starts are counted from 1 (docs/systems/bqnet.md §6.1)
    np.testing.assert_array_equal(by_hand, mask)


def test_run_lengths_by_hand():
    assert encode_mask(np.array([1, 1, 0, 1], bool)) == "1 2 4 1"
    assert encode_mask(np.zeros(5, bool)) == ""
    assert decode_mask("2 1 3 2", 5).tolist() == [False, True, True, True, False]  # runs may touch


@pytest.mark.parametrize("text", ["1", "1 x", "0 2", "3 4", "3 0", "2 2 1 1", "1 3 2 1", "-1 2", "1 " + "9" * 40])
def test_broken_run_lengths(text):
    with pytest.raises(InputError, match=r"room/3: expected"):
        decode_mask(text, 5, "room/3")


def said(number, ids=(1, 2), scene="room_00"):
    return Annotation(scene, ids, number, "both", "both", eval_type="mt")


@pytest.fixture
def entries():
    rng = np.random.default_rng(0)
    made = []
    for number in (2, 0, 1):
        rows = rng.random((number, 40)) < 0.3
        made.append(predicted(said(number), rows, [0.5] * number, rows.any(0), rng.random(40) < 0.3))
    return made


@pytest.mark.parametrize("name", ["p.json", "p.json.gz"])
def test_one_file(tmp_path, entries, name):
    path = save_predictions(tmp_path / "sub" / name, entries, {"protocol": "3dgres", "model": "m"})
    assert is_predictions(path)
    back = read_predictions(path)
    assert back.header["model"] == "m"
    assert [e.ann_id for e in back.entries] == [0, 1, 2]
    for e in entries:
        found = back.entries[e.ann_id]
        assert (found.masks, found.scores, found.object_ids, found.eval_type) == (e.masks, e.scores, (1, 2), "mt")
        np.testing.assert_array_equal(found.rows(), e.rows())
    assert back.entries[0].rows().shape == (0, 40)
    again = save_predictions(tmp_path / name, entries[::-1], {"protocol": "3dgres", "model": "m"})
    assert again.read_bytes() == path.read_bytes()
    assert not [p for p in path.parent.iterdir() if p != path]


def test_folder(tmp_path, entries):
    path = save_predictions(tmp_path / "out", entries, {})
    names = ["room_00_[1, 2]_0.json", "room_00_[1, 2]_1.json", "room_00_[1, 2]_2.json"]
    for part in ("pred_pmasks", "gt_pmasks"):
        assert sorted(p.name for p in (path / part).iterdir()) == names
    assert [p.name for p in sorted(path.iterdir())] == ["gt_pmasks", "pred_pmasks"]
    for e in entries:
        file = json.loads((path / "pred_pmasks" / f"room_00_[1, 2]_{e.ann_id}.json").read_text())
        assert file == {"length": 40, "counts": encode_mask(e.rows().any(0))}
        truth = json.loads((path / "gt_pmasks" / f"room_00_[1, 2]_{e.ann_id}.json").read_text())
        assert truth == {"length": 40, "counts": e.truth}
    for folder in (path, path / "pred_pmasks"):
        assert is_predictions(folder)
        back = read_predictions(folder).entries
        assert [(e.ann_id, e.object_ids, len(e.masks)) for e in back] == [
            (0, (1, 2), 0),
            (1, (1, 2), 1),
            (2, (1, 2), 1),
        ]
    with pytest.raises(InputError, match="already has"):
        check_export(path)


def test_names_of_files(tmp_path):
    content = json.dumps({"length": 3, "counts": "1 1"})
    for name in ("scene0011_00_[]_4.json", "scene0011_00_7_5.json", "a_b_c_[3, 12]_6.json"):
        (tmp_path / name).write_text(content)
    found = {(e.scene_id, e.object_ids, e.ann_id) for e in read_predictions(tmp_path).entries}
    assert found == {("scene0011_00", (), 4), ("scene0011_00", (7,), 5), ("a_b_c", (3, 12), 6)}
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(InputError, match="expected a name like"):
        read_predictions(tmp_path)


def entry(number, ids: tuple[int, ...] | None = (1, 2), scene="room_00"):
    return Predicted(scene, number, 4, ("1 2",), object_ids=ids)


def found(tmp_path, entries, annotations, numbers):
    rows = [
        {"scene_id": e.scene_id, "ann_id": e.ann_id, "length": e.length, "masks": list(e.masks)}
        | ({} if e.object_ids is None else {"object_ids": list(e.object_ids)})
        for e in entries
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"format": "saymask-predictions", "version": 1, "predictions": rows}))
    return by_annotation(read_predictions(path), annotations, numbers)


def test_annotations_are_found_by_either_number(tmp_path):
    annotations = [said(0), said(1, (7,)), said(2, ())]
    own = found(tmp_path, [entry(2, ()), entry(0, (2, 1)), entry(1, (7,))], annotations, [40, 41, 42])
    assert {key: e.ann_id for key, e in own.items()} == {("room_00", i): i for i in range(3)}
    listed = found(tmp_path, [entry(42, ()), entry(40), entry(41, None)], annotations, [40, 41, 42])
    assert {key: e.ann_id for key, e in listed.items()} == {("room_00", i): 40 + i for i in range(3)}
    # As in ScanRefer, the file's numbers may begin anew with each object; the objects then tell.
    restarted = found(tmp_path, [entry(0, (7,)), entry(0), entry(1, ())], annotations, [0, 0, 1])
    assert {key: e.object_ids for key, e in restarted.items()} == {
        ("room_00", 0): (1, 2), ("room_00", 1): (7,), ("room_00", 2): (),
    }  # fmt: skip
    assert found(tmp_path, [entry(0)], annotations, [None] * 3).keys() == {("room_00", 0)}


def test_entries_that_fit_nothing_or_the_same(tmp_path):
    with pytest.raises(InputError, match=r"1 of 2 predictions fit no annotation \(room_00/9\)"):
        found(tmp_path, [entry(0), entry(9)], [said(0)], [0])
    with pytest.raises(InputError, match="1 of 1 predictions fit no annotation"):
        found(tmp_path, [entry(0, (5,))], [said(0)], [0])
    with pytest.raises(InputError, match="two predictions for annotation room_00/0"):
        found(tmp_path, [entry(0), entry(0, None)], [said(0)], [0])
    with pytest.raises(InputError, match="1 annotations are there more than once"):
        found(tmp_path, [entry(0), entry(0)], [said(0)], [0])


GOOD = {"scene_id": "a", "ann_id": 0, "length": 3, "masks": ["1 1"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "less.rooms"}, "expected predictions"),
        ([GOOD], "expected predictions"),
        ({"format": "saymask-predictions", "version": 9, "predictions": []}, "expected version 1"),
        *(
            ({"format": "saymask-predictions", "version": 1, "predictions": [GOOD | broken]}, "prediction 0")
            for broken in ({"masks": "1 1"}, {"masks": [3]}, {"length": "3"}, {"ann_id": None}, {"scores": ["high"]},
                           {"object_ids": ["x"]}, {"scene_id": 4})
        ),
    ],
)  # fmt: skip
def test_other_content(tmp_path, content, message):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_predictions(path)


def test_other_files(tmp_path):
    for name, content in (("a.json.gz", b"{}"), ("b.json.gz", gzip.compress(b'{"format":')), ("c.json", b"{")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"expected (gzipped )?JSON"):
            read_predictions(tmp_path / name)
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(b"[" * 500)[:-9])
    for name in ("d.json.gz", "none.json.gz", "none.json"):
        with pytest.raises(InputError, match=name):
            read_predictions(tmp_path / name)
    assert not is_predictions(tmp_path / "model.safetensors")
    (tmp_path / "run").mkdir()
    assert not is_predictions(tmp_path / "run")
    (tmp_path / "run/best.json").write_text("{}")
    assert is_predictions(tmp_path / "run")
    (tmp_path / "run/best.safetensors").write_bytes(b"")
    assert not is_predictions(tmp_path / "run")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="found none"):
        read_predictions(folder)
    (folder / "a_[1]_0.json").write_text('{"length": "3", "counts": ""}')
    with pytest.raises(InputError, match=r"expected \{"):
        read_predictions(folder)
    with pytest.raises(InputError, match="or a folder"):
        check_export(tmp_path / "p.npz")
    with pytest.raises(InputError, match="is a file"):
        check_export(tmp_path / "c.json" / "out")
