import json
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.rooms import files
from saymask.rooms.language.describe import (
    COMPOSITIONAL_SHARE,
    PER_OBJECT,
    Descriptions,
    describe,
    says_view,
    sentence_statistics,
    split_of,
    view_dependent,
)
from saymask.rooms.language.facts import held_out, pairs
from saymask.rooms.language.grammar import tokenize
from saymask.rooms.language.programs import Evaluator, run
from saymask.rooms.language.words import head_of, held_out_pair
from tests.rooms.sample_rooms import boxes, office, room, thing

SEEDS = range(6)


@pytest.fixture(scope="module")
def made() -> dict[str, list[Descriptions]]:
    return {
        split: [describe(office(s), rng=np.random.RandomState(s), split=split) for s in SEEDS]  # type: ignore[arg-type]
        for split in ("train", "val")
    }


def sentences(all_made: list[Descriptions]) -> list[str]:
    return [r["description"] for d in all_made for r in (*d.scanrefer, *d.multi3drefer)]


def test_formats(made: dict[str, list[Descriptions]]) -> None:
    for d in chain.from_iterable(made.values()):
        for record in d.scanrefer:
            assert list(record) == ["scene_id", "object_id", "object_name", "ann_id", "description", "token"]
            assert all(isinstance(record[k], str) for k in record if k != "token")
            assert record["token"] == tokenize(record["description"])
            assert " " not in record["object_name"]
        for record in d.multi3drefer:
            assert record["eval_type"] in ("zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt")
            assert {type(record[k]) for k in ("spatial", "color", "texture", "shape")} == {bool}
            assert all(isinstance(i, int) for i in record["object_ids"])
        assert [r["ann_id"] for r in d.multi3drefer] == list(range(len(d.multi3drefer)))
        by_object: dict[str, list[str]] = {}
        for record in d.scanrefer:
            by_object.setdefault(record["object_id"], []).append(record["ann_id"])
        for numbers in by_object.values():
            assert numbers == [str(i) for i in range(len(numbers))]
            assert len(numbers) <= PER_OBJECT
        assert json.loads(json.dumps(d.scanrefer)) == d.scanrefer
        assert json.loads(json.dumps(d.programs)) == d.programs


def test_every_program_gives_exactly_its_targets(made: dict[str, list[Descriptions]]) -> None:
    for seed in SEEDS:
        here = files.room_from_json(json.loads(json.dumps(files.room_to_json(office(seed)))))
        again = Evaluator(here)
        for split in made:
            d = made[split][seed]
            for record, source in zip(d.programs["scanrefer"], d.scanrefer, strict=True):
                assert (record["object_id"], record["ann_id"]) == (source["object_id"], source["ann_id"])
                assert again(record["program"]) == (int(record["object_id"]),)
                assert here.thing(int(record["object_id"])).category.replace(" ", "_") == source["object_name"]
            for record, source in zip(d.programs["multi3drefer"], d.multi3drefer, strict=True):
                assert list(again(record["program"])) == record["object_ids"] == source["object_ids"]
            assert files.program_oracle({here.id: here}, d.programs["scanrefer"]) == 100.0
            assert files.program_oracle({here.id: here}, d.programs["multi3drefer"]) == 100.0


def test_eval_types_say_what_is_there(made: dict[str, list[Descriptions]]) -> None:
    seen = Counter()
    for seed in SEEDS:
        here = office(seed)
        categories = {t.category for t in here.things}
        for split in made:
            for record in made[split][seed].multi3drefer:
                kind, ids = record["eval_type"], record["object_ids"]
                seen[kind] += 1
                assert {"zt": len(ids) == 0, "st": len(ids) == 1, "mt": len(ids) > 1}[kind[:2]]
                if kind == "zt_wo_d":
                    assert head_of(record["object_name"].replace("_", " ")) not in {head_of(c) for c in categories}
    assert set(seen) == {"zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt"}


def test_splits_share_no_sentence(made: dict[str, list[Descriptions]]) -> None:
    said = {split: {" ".join(tokenize(s)) for s in sentences(made[split])} for split in made}
    assert not said["train"] & said["val"]
    for split, texts in said.items():
        assert {split_of(text) for text in texts} == {split}


def test_no_sentence_twice_in_a_room(made: dict[str, list[Descriptions]]) -> None:
    for d in chain.from_iterable(made.values()):
        said = [r["description"] for r in (*d.scanrefer, *d.multi3drefer)]
        assert len(set(said)) == len(said)


def test_compositional_sentences_are_new_in_words_and_in_pairs(made: dict[str, list[Descriptions]]) -> None:
    for d in chain.from_iterable(made.values()):
        for record in (*d.programs["scanrefer"], *d.programs["multi3drefer"]):
            assert held_out(record["program"]) == record["compositional"]
            assert any(held_out_pair(*pair) for pair in pairs(record["program"])) == record["compositional"]
    train = [r for d in made["train"] for r in (*d.programs["scanrefer"], *d.programs["multi3drefer"])]
    assert not any(r["compositional"] for r in train)
    val = [r["compositional"] for d in made["val"] for r in d.programs["scanrefer"]]
    assert 0.05 <= np.mean(val) <= 0.15
    for d in made["val"]:
        records = d.programs["multi3drefer"]
        least = int(COMPOSITIONAL_SHARE * len(records))
        assert least <= sum(r["compositional"] for r in records) <= least + 1


def test_viewed_sentences_say_so(made: dict[str, list[Descriptions]]) -> None:
    viewed = 0
    for d in chain.from_iterable(made.values()):
        for records, programs in ((d.scanrefer, d.programs["scanrefer"]), (d.multi3drefer, d.programs["multi3drefer"])):
            for record, program in zip(records, programs, strict=True):
                if view_dependent(program["program"]):
                    viewed += 1
                    assert says_view(record["description"]), record["description"]
    assert viewed > 50


def test_siblings_lead(made: dict[str, list[Descriptions]]) -> None:
    for seed in SEEDS:
        heads = Counter(head_of(t.category) for t in office(seed).things)
        for split in made:
            names = {(r["object_id"], r["object_name"].replace("_", " ")) for r in made[split][seed].scanrefer}
            siblings = sum(heads[head_of(name)] > 1 for _, name in names)
            assert siblings * 2 >= len(names)


def test_language_figures(made: dict[str, list[Descriptions]]) -> None:
    everything = [d for split in made.values() for d in split]
    records = [r for d in everything for r in d.scanrefer]
    programs = [r for d in everything for r in d.programs["scanrefer"]]
    figures = sentence_statistics(records, programs)
    assert figures["count"] == len(records) >= 0.9 * 40 * len(everything)
    assert 15 <= figures["mean_tokens"] <= 21
    assert 0 < figures["unique"] < 1
    assert 0.2 <= figures["kinds"]["attribute"] + figures["kinds"].get("size", 0) <= 0.45
    assert sum(figures["kinds"].values()) == pytest.approx(1)
    assert {"view", "between", "distance", "ordinal", "relation", "place"} <= set(figures["kinds"])
    lengths = [len(r["token"]) for r in records]
    assert max(lengths) <= 80
    several = sentence_statistics([r for d in everything for r in d.multi3drefer])
    assert set(several["eval_types"]) == {"zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt"}
    assert sentence_statistics([])["count"] == 0


def test_a_seed_gives_the_same_sentences() -> None:
    a = describe(office(3), rng=np.random.RandomState(5), split="val")
    b = describe(files.room_from_json(files.room_to_json(office(3))), rng=np.random.RandomState(5), split="val")
    assert a == b
    assert describe(office(3), rng=np.random.RandomState(6), split="val") != a


def test_counts_are_asked_for() -> None:
    d = describe(office(1), rng=np.random.RandomState(0), split="train", n_refer=7, n_multi=3)
    assert (len(d.scanrefer), len(d.multi3drefer)) == (7, 3)
    empty = describe(office(1), rng=np.random.RandomState(0), split="train", n_refer=0, n_multi=0)
    assert empty == Descriptions([], [], {"scanrefer": [], "multi3drefer": []})


def test_a_room_with_little_to_say() -> None:
    assert describe(room(), rng=np.random.RandomState(0), split="train").scanrefer == []
    alone = describe(room(thing(4, "chair", 2, 2, color="red")), rng=np.random.RandomState(0), split="train")
    assert {r["object_id"] for r in alone.scanrefer} == {"4"}
    assert len(alone.scanrefer) <= PER_OBJECT
    twins = room(thing(1, "chair", 2, 2), thing(2, "chair", 2.1, 2.1))
    told = describe(twins, rng=np.random.RandomState(0), split="train")
    assert told.scanrefer == []  # nothing tells them apart
    assert all(r["eval_type"] in ("mt", "zt_w_d", "zt_wo_d") for r in told.multi3drefer)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 14), st.sampled_from(["train", "val"]))
def test_whatever_the_room_programs_hold(seed: int, count: int, split: str) -> None:
    here = boxes(seed, count)
    d = describe(here, rng=np.random.RandomState(seed), split=split, n_refer=12, n_multi=8)  # type: ignore[arg-type]
    for record in d.programs["scanrefer"]:
        assert run(record["program"], here) == (int(record["object_id"]),)
    for record in d.programs["multi3drefer"]:
        assert list(run(record["program"], here)) == record["object_ids"]
    for text in sentences([d]):
        assert text.isascii()
        assert split_of(text) == split


def test_what_the_scan_does_not_show_is_not_spoken_of() -> None:
    here = office(2)
    seen = {t.id for t in here.things if t.category not in ("office chair", "window")}
    d = describe(here, rng=np.random.RandomState(0), split="train", seen=seen)
    assert len(d.scanrefer) > 20
    assert {int(r["object_id"]) for r in d.scanrefer} <= seen
    assert all(set(r["object_ids"]) <= seen for r in d.multi3drefer)
    targets = {i for r in d.multi3drefer for i in r["object_ids"]} | {int(r["object_id"]) for r in d.scanrefer}
    assert {here.thing(i).category for i in targets}.isdisjoint({"office chair", "window"})
    assert not any("window" in r["description"] for r in d.scanrefer)
