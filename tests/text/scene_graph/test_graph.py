import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.text.scene_graph.graph import Edge, Node, SceneGraph, pick, word_spans

MAIN_NODE = Node(
    id=0,
    target="lamp",
    lemma="lamp",
    kind="Object",
    target_words=(1,),
    modifiers=(0,),
    pronouns=(5,),
    target_spans=((4, 8),),
    modifier_spans=((0, 3),),
    pronoun_spans=((20, 22),),
    relation_spans=((9, 11), (9, 11)),
)
PLACE = Node(id=1, target="kitchen", lemma="kitchen", kind="Scene", target_words=(3,), target_spans=((12, 19),))
DESK = Node(id=2, target="desk", lemma="desk", kind="Object", target_words=(6,), target_spans=((23, 27),))
EDGE = Edge(0, "lamp", "in", (2,), 1, "kitchen")


def test_spans_of_a_graph():
    graph = SceneGraph("red lamp in kitchen it is desk", (MAIN_NODE, PLACE, DESK), (EDGE,))
    spans = graph.spans()
    assert graph.main is MAIN_NODE
    assert graph.auxiliary is DESK
    assert spans.positive == ((4, 8),)
    assert spans.modify == ((0, 3),)
    assert spans.pron == ((20, 22),)
    assert spans.rel == ((9, 11), (9, 11))
    assert spans.other == ((23, 27),)  # a place is no other object


def test_without_main_target_only_others_are_left():
    graph = SceneGraph("kitchen desk", (PLACE, DESK))
    assert graph.main is None
    assert graph.auxiliary is DESK
    spans = graph.spans()
    assert (spans.positive, spans.modify, spans.pron, spans.rel) == ((), (), (), ())
    assert spans.other == ((23, 27),)


def test_empty_graph():
    graph = SceneGraph("")
    assert graph.words == ()
    assert graph.main is None
    assert graph.auxiliary is None
    assert graph.spans().other == ()


def test_graphs_are_values():
    first, second = (SceneGraph("a lamp", (MAIN_NODE,), (EDGE,)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.utterance = "other"  # pyright: ignore[reportAttributeAccessIssue]


@given(st.text(max_size=60))
def test_word_spans_cut_out_the_words(text):
    spans = word_spans(text)
    assert [text[start:end] for start, end in spans] == text.split()
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_word_spans_of_words_inside_others():
    assert word_spans("tab a table a") == ((0, 3), (4, 5), (6, 11), (12, 13))


def test_pick_keeps_order_and_repeats_and_drops_empty():
    assert pick([(0, 1), (0, 0), (2, 4)], [2, 1, 0, 2]) == ((2, 4), (0, 1), (2, 4))
