from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.text.scene_graph.dependency import Chunk, DependencyParse, Token, scene_graph
from saymask.text.scene_graph.vocabulary import Vocabulary
from tests.parity import GOLDEN, load
from tests.parity.bqnet_text import dependency_parse, named_vocabulary, official_form

NOUNS = Vocabulary(
    frozenset({"chair", "table", "coffee table", "desk", "wall", "floor", "lamp", "object", "pillow", "bookshelf"}),
    frozenset({"vanity", "panel"}),
    frozenset({"kitchen", "living room"}),
)
FILES = sorted((GOLDEN / "bqnet").glob("scene_graph_*.json"))


def parse(text, rows, chunks):
    """Rows: "lemma TAG dep head" per word of the text."""
    tokens = []
    for word, row in zip(text.split(), rows, strict=True):
        lemma, tag, dep, head = row.split()
        tokens.append(Token(word, lemma, tag, dep, int(head)))
    return DependencyParse(text, tuple(tokens), tuple(Chunk(*chunk) for chunk in chunks))


def names(graph):
    return [(node.id, node.target, node.kind) for node in graph.nodes]


def relations(graph):
    return [(edge.object_id, edge.relation, edge.subject_id) for edge in graph.edges]


def modifiers(node, graph):
    return [graph.words[word] for word in node.modifiers]


CHAIR_IS = ["the DT det 1", "chair NN nsubj 2", "be VBZ ROOT 2"]


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_golden_graphs_with_only_their_own_nouns(path: Path):
    entries = load(path)["json"]
    assert entries
    for entry in entries:
        graph = scene_graph(dependency_parse(entry), named_vocabulary(entries), strict=True)
        nodes, edges = official_form(graph, [token["text"] for token in entry["tokens"]])
        assert (nodes, edges) == (entry["nodes"], entry["edges"]), entry["name"]


def test_nothing_to_see():
    assert scene_graph(DependencyParse("", (), ()), NOUNS).nodes == ()
    graph = scene_graph(parse("very big !", ["very RB advmod 1", "big JJ ROOT 1", "! . punct 1"], []), NOUNS)
    assert (graph.nodes, graph.edges, graph.spans().other) == ((), (), ())


def test_types_of_entities():
    # object noun by the last word; scene noun by the root; "counter top"; a noun of no list is dropped
    text = "the bath vanity in the room near the counter top by the leg"
    rows = [
        "the DT det 2", "bath NN compound 2", "vanity NN ROOT 2", "in IN prep 2", "the DT det 5", "kitchen NN pobj 3",
        "near IN prep 2", "the DT det 9", "counter JJ amod 9", "top NN pobj 6", "by IN prep 2", "the DT det 12",
        "leg NN pobj 10",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 3, 2), (4, 6, 5), (7, 10, 9), (11, 13, 12)]), NOUNS)
    assert names(graph) == [(0, "bath vanity", "Object"), (1, "room", "Scene"), (2, "counter top", "Object")]
    assert graph.nodes[2].target_words == (8, 9)
    assert graph.nodes[2].lemma == "counter top"


def test_main_is_the_first_object_that_is_no_wall_or_floor():
    text = "it on the wall is the lamp of the kitchen"
    rows = [
        "it PRP nsubj 4", "on IN prep 0", "the DT det 3", "wall NN pobj 1", "be VBZ ROOT 4", "the DT det 6",
        "lamp NN attr 4", "of IN prep 6", "the DT det 9", "kitchen NN pobj 7",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 1, 0), (2, 4, 3), (5, 7, 6), (8, 10, 9)]), NOUNS)
    # The pronoun before the main target is dropped, the wall keeps its place among the others.
    assert names(graph) == [(0, "lamp", "Object"), (1, "wall", "Object"), (2, "kitchen", "Scene")]
    assert graph.nodes[0].pronouns == ()


def test_repetition_needs_exactly_the_before_it():
    text = "a chair . the chair is red . another chair is blue"
    rows = [
        "a DT det 1", "chair NN ROOT 1", ". . punct 1", "the DT det 4", "chair NN nsubj 5", "be VBZ ROOT 5",
        "red JJ acomp 5", ". . punct 5", "another DT det 9", "chair NN nsubj 10", "be VBZ ROOT 10", "blue JJ acomp 10",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (3, 5, 4), (8, 10, 9)]), NOUNS)
    assert names(graph) == [(0, "chair", "Object"), (1, "chair", "Object")]
    assert graph.nodes[0].pronouns == (4,)
    assert modifiers(graph.nodes[0], graph) == ["red"]  # "is" of the repetition: VBZ is left out
    assert modifiers(graph.nodes[1], graph) == ["blue"]
    assert graph.nodes[0].pronoun_spans == ((14, 19),)


def test_modifiers_of_a_name_come_from_right_to_left_and_compounds_keep_their_order():
    text = "two very dark big coffee table"
    rows = [
        "two CD nummod 5", "very RB advmod 2", "dark JJ amod 3", "big JJ amod 5", "coffee NN compound 5",
        "table NN ROOT 5",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 6, 5)]), NOUNS)
    assert names(graph) == [(0, "coffee table", "Object")]
    assert modifiers(graph.nodes[0], graph) == ["big", "dark", "two"]
    assert graph.nodes[0].target_spans == ((18, 24), (25, 30))


def test_attribute_of_a_compound():
    text = "wooden coffee table"
    graph = scene_graph(
        parse(text, ["wooden JJ amod 1", "coffee NN compound 2", "table NN ROOT 2"], [(0, 3, 2)]), NOUNS
    )
    assert modifiers(graph.nodes[0], graph) == ["wooden"]


def test_relation_to_an_entity_above():
    text = "the chair with a pillow"
    rows = ["the DT det 1", "chair NN ROOT 1", "with IN prep 1", "a DT det 4", "pillow NN pobj 2"]
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (3, 5, 4)]), NOUNS)
    assert relations(graph) == [(0, "with", 1)]
    assert graph.nodes[0].relation_spans == ((10, 14),)
    # "with" went into the relation, so it is no attribute any more.
    assert graph.nodes[0].modifiers == ()


def test_relation_to_the_subject_of_the_sentence():
    text = "the chair is just to the right of the table"
    rows = [
        *CHAIR_IS, "just RB advmod 4", "to IN prep 2", "the DT det 6", "right NN pobj 4", "of IN prep 6",
        "the DT det 9", "table NN pobj 7",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (5, 7, 6), (8, 10, 9)]), NOUNS)
    # Words that hang on a word of the way and stand right before it go with it ("just", "the").
    assert relations(graph) == [(0, "just to the right of", 1)]


def test_verbs_on_the_way_are_left_out_but_not_other_ends():
    text = "the chairs are standing beside the table"
    rows = [
        "the DT det 1", "chair NNS nsubj 3", "be VBP aux 3", "stand VBG ROOT 3", "beside IN prep 3", "the DT det 6",
        "table NN pobj 4",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (5, 7, 6)]), NOUNS)
    assert relations(graph) == [(0, "beside", 1)]
    rows[3] = "stood VBD ROOT 3"
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (5, 7, 6)]), NOUNS)
    assert relations(graph) == [(0, "standing beside", 1)]  # in front of the end, no run: "are" stays out


def test_the_first_word_of_a_relation_may_be_a_verb():
    text = "the chair faces the table"
    rows = ["the DT det 1", "chair NN nsubj 2", "face VBZ ROOT 2", "the DT det 4", "table NN dobj 2"]
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (3, 5, 4)]), NOUNS)
    assert relations(graph) == [(0, "faces", 1)]


def test_participle_sentence_without_subject_belongs_to_the_first_entity():
    text = "a chair . placed near the desk and the table ."
    rows = [
        "a DT det 1", "chair NN ROOT 1", ". . punct 1", "place VBN ROOT 3", "near IN prep 3", "the DT det 6",
        "desk NN pobj 4", "and CC cc 6", "the DT det 9", "table NN conj 6", ". . punct 3",
    ]  # fmt: skip
    chunks = [(0, 2, 1), (5, 7, 6), (8, 10, 9)]
    graph = scene_graph(parse(text, rows, chunks), NOUNS)
    assert relations(graph) == [(0, "near", 1), (0, "near", 2)]
    assert graph.spans().rel == ((17, 21), (17, 21))
    # A participle that something before it hangs on is a verb with a subject.
    rows[2] = ". . punct 3"
    assert relations(scene_graph(parse(text, rows, chunks), NOUNS)) == []


def test_second_part_of_and_without_entity_has_no_relation():
    text = "the chair is near the leg and the table"
    rows = [
        *CHAIR_IS, "near IN prep 2", "the DT det 5", "leg NN pobj 3", "and CC cc 5", "the DT det 8",
        "table NN conj 5",
    ]  # fmt: skip
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (4, 6, 5), (7, 9, 8)]), NOUNS)
    assert names(graph) == [(0, "chair", "Object"), (1, "table", "Object")]
    assert relations(graph) == []


@pytest.mark.parametrize(("steps", "expected"), [(8, [(0, "far", 1)]), (9, [])])
def test_search_gives_up_after_ten_steps(steps, expected):
    # Visited are the table, the words "far" and the root "is".
    text = " ".join(["the", "chair", "is", *["far"] * steps, "table"])
    rows = [*CHAIR_IS, *(f"far RB prep {2 + k}" for k in range(steps)), f"table NN pobj {2 + steps}"]
    graph = scene_graph(parse(text, rows, [(0, 2, 1), (3 + steps, 4 + steps, 3 + steps)]), NOUNS)
    assert [(o, r.split()[0], s) for o, r, s in relations(graph)] == expected


@pytest.mark.parametrize(
    ("text", "target"), [("trash can here", "trash can"), ("urinal here now", "urinal"), ("cardboard x y", "cardboard")]
)
def test_things_that_the_parser_takes_for_verbs(text, target):
    rows = ["w NN ROOT 0", "x NN dep 0", "y NN dep 0"]
    graph = scene_graph(parse(text, rows, []), NOUNS)
    assert names(graph) == [(0, target, "Object")]
    assert graph.main is not None
    assert " ".join(text[a:b] for a, b in graph.main.target_spans) == target


def test_tokens_that_are_not_the_words():
    text = "the chair's pillow"
    tokens = ("the", "the", "DT", "det", 1), ("chair", "chair", "NN", "poss", 3), ("'s", "'s", "POS", "case", 1)
    pillow = Token("pillow", "pillow", "NN", "ROOT", 3)
    bad = DependencyParse(text, (*(Token(*token) for token in tokens), pillow), (Chunk(0, 2, 1), Chunk(3, 4, 3)))
    graph = scene_graph(bad, NOUNS)
    assert names(graph) == [(0, "chair", "Object"), (1, "pillow", "Object")]
    assert graph.nodes[0].target_spans == ()  # "chair" is not the word "chair's"
    with pytest.raises(InputError, match=r"token 1 is 'chair', the word is \"chair's\""):
        scene_graph(bad, NOUNS, strict=True)


@pytest.mark.parametrize(
    ("heads", "chunks", "message"),
    [((1, 7), (), "head in 0..1, got 7"), ((1, 0), (), "a tree"), ((0, 0), ((0, 3, 1),), "noun chunk")],
)
def test_broken_parses_are_refused(heads, chunks, message):
    tokens = tuple(Token("a", "a", "NN", "dep", head) for head in heads)
    with pytest.raises(InputError, match=message):
        DependencyParse("a a", tokens, tuple(Chunk(*chunk) for chunk in chunks))


LEMMAS = ["chair", "table", "wall", "it", "this", "kitchen", "leg", "top", "be", "near", "red", "trash", "can", "the"]
TAGS = ["NN", "VBZ", "VBN", "VBG", "IN", "DT", "CC", "EX", "JJ"]
DEPS = ["nsubj", "attr", "pobj", "prep", "amod", "compound", "det", "conj", "ccomp", "punct", "nummod", "cc"]


@st.composite
def random_parses(draw):
    count = draw(st.integers(1, 14))
    order = draw(st.permutations(range(count)))  # a token's head comes earlier here: always a tree
    head = {token: order[draw(st.integers(0, place - 1))] if place else token for place, token in enumerate(order)}
    tokens = []
    for index in range(count):
        dep = "ROOT" if head[index] == index else draw(st.sampled_from(DEPS))
        word = draw(st.sampled_from(LEMMAS))
        tokens.append(Token(word, word, draw(st.sampled_from(TAGS)), dep, head[index]))
    cuts = sorted(draw(st.sets(st.integers(0, count), max_size=8)))
    chunks = tuple(Chunk(a, b, draw(st.integers(a, b - 1))) for a, b in zip(cuts, cuts[1:]))  # noqa: RUF007
    return DependencyParse(" ".join(token.text for token in tokens), tuple(tokens), chunks)


@given(random_parses())
def test_any_parse_gives_a_graph(given_parse):
    graph = scene_graph(given_parse, NOUNS, strict=True)
    ids = [node.id for node in graph.nodes]
    assert len(set(ids)) == len(ids)
    assert all(number > 0 for number in ids[1:])
    text, count = graph.utterance, len(given_parse.tokens)
    for node in graph.nodes:
        assert [text[a:b] for a, b in node.target_spans] == [graph.words[word] for word in node.target_words]
        assert node.target == " ".join(graph.words[word] for word in node.target_words)
        assert [text[a:b] for a, b in node.modifier_spans] == [graph.words[word] for word in node.modifiers]
        assert node.id == 0 or not (node.pronouns or node.relation_spans)
    for edge in graph.edges:
        assert edge.relation_words
        assert all(0 <= word < count for word in edge.relation_words)
        assert edge.relation == " ".join(graph.words[word] for word in edge.relation_words)
    assert scene_graph(given_parse, NOUNS) == graph


def test_three_hundred_tokens():
    words = ["the", "chair", "is", *["near"] * 297]
    rows = [*CHAIR_IS, *(f"near IN prep {2 + k}" for k in range(297))]
    graph = scene_graph(parse(" ".join(words), rows, [(0, 2, 1)]), NOUNS)
    assert names(graph) == [(0, "chair", "Object")]
    assert len(graph.nodes[0].modifiers) == 297
