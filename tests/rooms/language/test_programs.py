import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.rooms import files
from saymask.rooms.language.programs import Ambiguous, check, kind_of, modifiers, nested, parts, run
from tests.rooms.sample_rooms import boxes, office, room, thing

CHAIR = {"op": "class", "name": "chair"}
DESK = {"op": "class", "name": "desk"}
DOOR_PROGRAM = {"op": "class", "name": "door"}
DOOR = thing(9, "door", 1.0, 0.0, (0.9, 0.08, 2.0), yaw=3.141592653589793, mount="wall", wall=0, fronted=True)
BIG = thing(5, "desk", 3.0, 4.6, (1.4, 0.7, 0.75), wall=2, fronted=True, material="wood", color="brown")
MADE = room(
    thing(0, "chair", 2.0, 4.6, (0.4, 0.4, 0.8), color="red"),
    thing(1, "office chair", 4.1, 4.6, (0.4, 0.4, 0.9), color="black"),
    thing(2, "armchair", 1.0, 1.6, (0.9, 0.9, 1.0), color="black", shape="round"),
    BIG,
    thing(7, "lamp", 3.0, 4.6, (0.2, 0.2, 0.4), z=0.75, on=5, mount="on", color=None),
    DOOR,
)


def has(op: str, of: object = CHAIR, **more) -> dict:
    return {"op": op, "of": of, **more}


def facing(at: dict) -> dict:
    return {"frame": "facing", "at": at}


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (CHAIR, (0, 1, 2)),  # office chairs and armchairs are chairs
        ({"op": "class", "name": "office chair"}, (1,)),
        ({"op": "class", "name": "microwave"}, ()),
        (has("filter", color="red"), (0,)),
        (has("filter", color="black"), (1, 2)),
        (has("filter", color="black", **{"not": True}), (0,)),
        (has("filter", size="large"), (2,)),
        (has("filter", size="small"), (0, 1)),
        (has("filter", DESK, material="wood"), (5,)),
        (has("relate", rel="beside", to=DESK, which="the"), (0, 1)),
        (has("relate", rel="beside", to=DESK, which="the", **{"not": True}), (2,)),
        (has("relate", DESK, rel="beside", to=CHAIR, which="a"), (5,)),
        (has("relate", DESK, rel="beside", to=CHAIR, which=2), (5,)),
        (has("relate", DESK, rel="beside", to=CHAIR, which=3), ()),
        (has("relate", DESK, rel="carries", to={"op": "class", "name": "lamp"}, which="a"), (5,)),
        (has("relate", rel="left", to=DESK, which="the", view=facing(DESK)), (0,)),
        (has("relate", rel="left", to=DESK, which="the", view={"frame": "own"}), (1,)),
        (has("relate", rel="left", to=DESK, which="the", view={"frame": "door"}), (0,)),
        (has("between", DESK, to=has("filter", color="red"), **{"and": {"op": "class", "name": "office chair"}}), (5,)),
        (has("between", DESK, to=has("count", has("relate", rel="beside", to=DESK, which="the"), n=2)), (5,)),
        (has("place", where="corner"), ()),
        (has("closest", to=DOOR_PROGRAM), (2,)),
        (has("farthest", has("filter", color="black"), to=DOOR_PROGRAM), (1,)),
        (has("superlative", by="size", most=True), (2,)),
        (has("ordinal", has("relate", rel="beside", to=DESK), side="left", n=1, view=facing(DESK)), (0,)),
        (has("ordinal", has("relate", rel="beside", to=DESK), side="right", n=1, view={"frame": "door"}), (1,)),
        (has("count", n=3), (0, 1, 2)),
        ({"op": "union", "of": [has("filter", color="red"), DESK]}, (0, 5)),
    ],
)
def test_run(program: dict, expected: tuple[int, ...]) -> None:
    assert run(program, MADE) == expected
    assert run(json.loads(json.dumps(program)), MADE) == expected


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (has("count", n=2), "expected 2"),
        (has("relate", rel="beside", to={"op": "class", "name": "sofa"}, which="the"), "one thing, got 0"),
        (has("relate", DESK, rel="beside", to=CHAIR, which="the"), "one thing, got 3"),
        (has("relate", DESK, rel="beside", to={"op": "class", "name": "bed"}, which="a"), "not in the room"),
        (has("superlative", by="height", most=True), "superlative is too close"),
        (has("farthest", to=DOOR_PROGRAM), "farthest is too close"),
        (has("filter", {"op": "class", "name": "lamp"}, color="red"), "filter is too close"),  # no clear colour
        (has("between", DESK, to=CHAIR), "two things, got 3"),
        (has("ordinal", side="left", n=1, view={"frame": "wall"}), "no clear viewpoint"),
        (has("ordinal", side="left", n=1, view=facing(DESK)), "behind the viewer"),
        (has("filter", DESK, size="large"), "too close"),
    ],
)
def test_what_is_not_clear_is_ambiguous(program: dict, why: str) -> None:
    with pytest.raises(Ambiguous, match=why):
        run(program, MADE)


def test_painted_wood_is_not_clearly_wooden() -> None:
    made = room(thing(0, "desk", 1, 1, color="white", material="wood"), thing(1, "desk", 3, 1, color="white"))
    with pytest.raises(Ambiguous):
        run(has("filter", DESK, material="wood"), made)


def test_neighbouring_colours_are_ambiguous() -> None:
    made = room(thing(0, "desk", 1, 1, color="beige"), thing(1, "desk", 3, 1, color="white"))
    with pytest.raises(Ambiguous):
        run(has("filter", DESK, color="white"), made)
    assert run(has("filter", DESK, color="black"), made) == ()


@pytest.mark.parametrize(
    "program",
    [
        None, [], {}, {"op": "class"}, {"op": "fly", "of": CHAIR}, {"op": "filter", "of": CHAIR},
        has("filter", color="ultraviolet"), has("filter", color="red", shape="round"), {"op": "relate", "of": CHAIR},
        has("relate", rel="beside", to=DESK, which=0), has("relate", rel="likes", to=DESK), has("place", where="moon"),
        has("superlative", by="size"), has("ordinal", side="left", n=0, view={"frame": "door"}), has("count", n="2"),
        has("ordinal", side="left", n=1, view={"frame": "mars"}), {"op": "union", "of": [CHAIR]},
        has("closest", to={"op": "class"}), has("ordinal", side="up", n=1, view={"frame": "door"}),
    ],
)  # fmt: skip
def test_what_is_not_a_program_is_refused(program: object) -> None:
    with pytest.raises(InputError, match="not a room program"):
        check(program)


def test_kinds() -> None:
    red = has("filter", color="red")
    assert [kind_of(p) for p in (CHAIR, red, has("filter", size="tall"), has("place", red, where="corner"))] == [
        "class", "attribute", "size", "place"]  # fmt: skip
    beside = has("relate", red, rel="beside", to=has("closest", DESK, to=DOOR_PROGRAM), which="the")
    assert kind_of(beside) == "relation"  # the anchor's own description does not count
    assert kind_of({**beside, "view": {"frame": "own"}}) == "view"
    assert kind_of(has("closest", beside, to=DESK)) == "distance"
    assert kind_of({"op": "union", "of": [red, DESK]}) == "attribute"


def test_modifiers_and_nested_are_inverse() -> None:
    program = has("count", has("place", has("filter", color="red"), where="corner"), n=1)
    core, chain = modifiers(program)
    assert core == CHAIR
    assert [op["op"] for op in chain] == ["filter", "place", "count"]
    assert nested(core, chain) == program
    assert [part["op"] for part in parts(has("relate", rel="left", to=DESK, view=facing(CHAIR)))] == [
        "relate", "class", "class", "class"]  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 8))
def test_rooms_come_back_from_json_bit_by_bit(seed: int, count: int) -> None:
    made = boxes(seed, count)
    assert files.room_from_json(json.loads(json.dumps(files.room_to_json(made)))) == made


def test_room_files(tmp_path: Path) -> None:
    files.write_room_json(tmp_path / "rooms" / "a.json", MADE)
    assert files.read_rooms(tmp_path / "rooms") == {MADE.id: MADE}
    (tmp_path / "bad.json").write_text('{"id": "x"}', encoding="utf-8")
    with pytest.raises(InputError, match="not a room description"):
        files.read_room(tmp_path / "bad.json")
    with pytest.raises(InputError, match=r"missing\.json: there is no such file"):
        files.read_room(tmp_path / "missing.json")
    (tmp_path / "cut.json").write_bytes(b'{"id": "\xff')
    with pytest.raises(InputError, match=r"cut\.json: expected UTF-8 text, byte 8 is not"):
        files.read_room(tmp_path / "cut.json")


def test_program_files(tmp_path: Path) -> None:
    record = {"scene_id": MADE.id, "object_id": "0", "ann_id": "0", "program": has("filter", color="red")}
    several = {"scene_id": MADE.id, "object_ids": [1, 2], "ann_id": 0, "program": has("filter", color="black")}
    path = tmp_path / "programs_val.json"
    path.write_text(json.dumps({"scanrefer": [record], "multi3drefer": [several]}), encoding="utf-8")
    data = files.read_programs(path)
    assert files.program_oracle({MADE.id: MADE}, data["scanrefer"]) == 100.0
    assert files.program_oracle({MADE.id: MADE}, data["multi3drefer"]) == 100.0
    wrong = [record, {**record, "object_id": "1"}, {**record, "program": has("superlative", by="height", most=True)}]
    assert files.program_oracle({MADE.id: MADE}, wrong) == pytest.approx(100 / 3)
    with pytest.raises(InputError, match="room0000_00"):
        files.program_oracle({}, data["scanrefer"])
    path.write_text(json.dumps({"scanrefer": [{"program": {"op": "fly"}}], "multi3drefer": []}), encoding="utf-8")
    with pytest.raises(InputError, match="scanrefer record 0"):
        files.read_programs(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="keys"):
        files.read_programs(path)


def test_a_room_without_things_answers_nothing() -> None:
    assert run(CHAIR, room()) == ()
    assert run(has("filter", color="red"), room()) == ()
    assert run(has("place", where="corner"), room()) == ()


def test_large_and_small_follow_the_set() -> None:
    office_room = office(0)
    large = run({"op": "filter", "size": "large", "of": {"op": "class", "name": "picture"}}, office_room)
    assert [office_room.thing(i).size[0] for i in large] == [0.9]
