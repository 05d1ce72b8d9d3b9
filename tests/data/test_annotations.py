import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.data.annotations import EVAL_TYPES, corrected, load_annotations, mark_multiple, unique_multiple
from saymask.errors import InputError
from saymask.labels.tables import class18


def entry(scene="s0", object_id="3", ann="0", name="office_chair", **extra):
    base = {"scene_id": scene, "object_id": object_id, "ann_id": ann, "object_name": name}
    return {**base, "description": "The chair.", "token": ["the", "chair", "."], **extra}


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_scanrefer(tmp_path):
    entries = [entry(), entry(ann="1"), entry(scene="s1"), entry(object_id="4", ann="0", name="sofa_chair")]
    found = load_annotations(write(tmp_path / "a.json", entries))
    assert [(a.scene_id, a.object_ids, a.ann_id) for a in found] == [
        ("s0", (3,), 0),
        ("s0", (3,), 1),
        ("s1", (3,), 0),
        ("s0", (4,), 2),
    ]
    assert len({a.key for a in found}) == 4
    assert found[0].sentence == "the chair ."
    assert found[0].description == "The chair."
    assert [a.multiple for a in found] == [True, True, False, True]


def test_without_tokens_the_description_is_the_sentence(tmp_path):
    plain = entry()
    del plain["token"]
    assert load_annotations(write(tmp_path / "a.json", [plain]))[0].sentence == "The chair."


def test_multi3drefer(tmp_path):
    entries = [
        {"scene_id": "s0", "object_ids": [1, 2], "ann_id": 7, "description": "both", "eval_type": "mt"},
        {"scene_id": "s0", "object_ids": [], "ann_id": 9, "description": "none", "eval_type": "zt_w_d"},
    ]
    found = load_annotations(write(tmp_path / "a.json", entries), source="multi3drefer")
    assert [(a.object_ids, a.ann_id, a.eval_type, a.multiple) for a in found] == [
        ((1, 2), 0, "mt", None),
        ((), 1, "zt_w_d", None),
    ]


def multi(description="a box", ids=(1,), kind="st_w_d"):
    return {"scene_id": "s0", "object_ids": list(ids), "ann_id": 0, "description": description, "eval_type": kind}


def test_published_typing_errors_are_mended_for_multi3drefer_only(tmp_path):
    written = "the 50cm shelf with 3+ tiers\\n."
    path = write(tmp_path / "a.json", [multi(written)])
    (found,) = load_annotations(path, source="multi3drefer")
    assert found.sentence == "the 50 cm shelf with 3 tiers ."
    assert found.description == written
    plain = entry(description=written)
    del plain["token"]
    assert load_annotations(write(tmp_path / "b.json", [plain]))[0].sentence == written


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a 50cm box", "a 50 cm box"),
        ("shelf of 3+ tiers, 150cm", "shelf of 3 tiers, 150 cm"),
        ("the chair\\n. it is red", "the chair . it is red"),
        ("the chair\\ it is red", "the chair it is red"),
        ("left\\right", "left right"),
        ("chair.\\", "chair."),
        ("the chair\tis\nred\b.", "the chair is red ."),
        ("a  box ,  as written", "a  box ,  as written"),
        ("caf\u00e9\u00a0table", "caf\u00e9\u00a0table"),
        ("", ""),
    ],
)
def test_corrected(written, expected):
    assert corrected(written) == expected


@given(st.text())
def test_corrected_text_has_none_of_the_errors_left(text):
    found = corrected(text)
    assert not set(found) & {"\\", *map(chr, range(32)), "\x7f"}
    assert "50cm" not in found
    assert corrected(found) == found


@pytest.mark.parametrize("kind", EVAL_TYPES)
def test_every_group_is_read(tmp_path, kind):
    ids = {"z": [], "s": [4], "m": [4, 5]}[kind[0]]
    (found,) = load_annotations(write(tmp_path / "a.json", [multi(ids=ids, kind=kind)]), source="multi3drefer")
    assert (found.eval_type, found.object_ids) == (kind, tuple(ids))


@pytest.mark.parametrize("kind", ["st", "", None, 3, "zt_wo_d"])
def test_unknown_or_contradicting_groups(tmp_path, kind):
    path = write(tmp_path / "a.json", [multi(), multi(kind=kind)])
    with pytest.raises(InputError, match=r"a\.json: annotation 1: expected (eval_type|no object_ids)"):
        load_annotations(path, source="multi3drefer")


def test_scanrefer_has_no_groups(tmp_path):
    assert load_annotations(write(tmp_path / "a.json", [entry(eval_type="mt")]))[0].eval_type == ""


def test_programs(tmp_path):
    path = write(tmp_path / "a.json", [entry(), entry(ann="1")])
    program = {"op": "class", "name": "chair"}
    record = {"scene_id": "s0", "object_id": "3", "ann_id": "1", "program": program, "compositional": True}
    programs = write(tmp_path / "programs_val.json", {"scanrefer": [record], "multi3drefer": []})
    first, second = load_annotations(path, programs=programs)
    assert (first.program, first.compositional) == (None, False)
    assert (second.program, second.compositional) == (program, True)
    with pytest.raises(InputError, match="multi3drefer"):
        load_annotations(path, source="multi3drefer", programs=write(tmp_path / "p.json", {"scanrefer": []}))


described = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), min_size=1, max_size=25)
NAMES = ("chair", "office_chair", "table", "plant", "lamp")  # plant and lamp are both "others"


@given(described)
def test_unique_multiple_against_counting(rows):
    rows = [(scene, i, NAMES[i]) for scene, i in rows]
    for (scene, _, name), flag in zip(rows, unique_multiple(rows)):
        same = {i for s, i, n in rows if s == scene and class18(n) == class18(name)}
        assert flag == (len(same) > 1)


def test_flags_follow_the_list_that_is_evaluated(tmp_path):
    two = [entry(), entry(object_id="5", name="chair")]
    found = load_annotations(write(tmp_path / "a.json", two))
    assert [a.multiple for a in found] == [True, True]
    assert [a.multiple for a in mark_multiple(found[:1])] == [False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe[]", "UTF-8"),
        (b"[{", "JSON, line 1"),
        (b"{}", "list"),
        (b'[{"object_id": "1"}]', "scene_id"),
        (b'[{"scene_id": "s", "object_id": "x", "description": "a"}]', "whole numbers"),
        (b'[{"scene_id": "s", "description": "a"}]', "whole numbers"),
        (b'[{"scene_id": "s", "object_ids": 4, "description": "a"}]', "whole numbers"),
        (b'[{"scene_id": "s", "object_ids": [1.5], "description": "a"}]', "whole numbers"),
        (b'[{"scene_id": "s", "object_ids": [1, 2], "description": "a"}]', "one object_id"),
        (b'[{"scene_id": "s", "object_id": "1"}]', "description"),
        (b'[{"scene_id": "s", "object_id": "1", "description": "a", "token": "a"}]', "list of words"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_annotations(path)


def test_missing_file_and_unknown_source(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_annotations(tmp_path / "a.json")
    with pytest.raises(InputError, match="scanrefer, multi3drefer, nr3d, sr3d"):
        load_annotations(write(tmp_path / "a.json", []), source="scan2cap")
