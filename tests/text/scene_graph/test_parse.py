import json
import sys
import warnings

import pytest

from saymask.errors import InputError
from saymask.text.clean import PREFIX, model_text
from saymask.text.scene_graph import parse, spacy_backend
from saymask.text.scene_graph.graph import Node, SceneGraph
from saymask.text.scene_graph.parse import chosen_backend, parse_sentence
from saymask.text.scene_graph.vocabulary import Vocabulary
from tests.parity import GOLDEN

needs_model = pytest.mark.skipif(
    spacy_backend.installed_model() is None, reason="no English model of spaCy is installed"
)
BACKENDS = ["rules", pytest.param("spacy", marks=needs_model)]
AWKWARD = [
    "very big and round",
    "...",
    "?",
    "'",
    ", , ,",
    "it's the lady's chair; isn't it?",
    "“日本” 🙂 chair naïve café",
    "the chair " * 150,
    "!" * 300,
    "THE CHAIR",
    "chair",
    "the chair\u00a0beside\u2003the window",
]


def whole(graph):
    """Everything that has to hold for any graph of a cleaned sentence."""
    text = model_text(graph.utterance)
    assert text.startswith(graph.utterance)
    assert not text.startswith(" ")
    spans = graph.spans()
    for name in ("positive", "modify", "pron", "rel", "other"):
        for start, end in getattr(spans, name):
            assert 0 <= start < end <= len(graph.utterance)
            assert text[start:end] in graph.words
    count = len(graph.words)
    for node in graph.nodes:
        assert all(0 <= word < count for word in (*node.target_words, *node.modifiers, *node.pronouns))
    assert all(0 <= word < count for edge in graph.edges for word in edge.relation_words)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", ["scanrefer", "multi3drefer"])
@pytest.mark.parametrize("text", AWKWARD, ids=[text[:12] for text in AWKWARD])
def test_awkward_sentences(text, source, backend):
    whole(parse_sentence(text, source=source, backend=backend))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sentence_with_everything(backend):
    text = "this is a brown chair. it is next to the big table."
    graph = parse_sentence(text, source="multi3drefer", backend=backend)
    assert graph.utterance == "this is a brown chair . it is next to the big table ."
    whole(graph)
    spans = graph.spans()
    assert [edge.relation for edge in graph.edges] == ["next to"]

    def cut(pairs):
        return [graph.utterance[a:b] for a, b in pairs]

    assert cut(spans.positive) == ["chair"]
    assert cut(spans.modify) == ["brown"]
    assert cut(spans.pron) == ["it"]
    assert cut(spans.rel) == ["next", "to"]
    assert cut(spans.other) == ["table"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sentence_that_names_nothing_gets_the_prefix(backend):
    graph = parse_sentence("very big and round", backend=backend)
    assert graph.utterance == PREFIX + "very big and round"
    assert parse_sentence("?", source="multi3drefer", backend=backend).utterance == PREFIX.strip()
    # The prefix names an object, so that there is a main target to train with.
    assert graph.main is not None
    assert graph.main.target == "object"


def test_prefix_is_put_in_front_once(monkeypatch):
    seen = []

    def nothing(utterance, backend, vocabulary):
        seen.append(utterance)
        return SceneGraph(utterance, (Node(1, "wall", "wall", "Object", (0,)),))

    monkeypatch.setattr(parse, "_graph", nothing)
    parse._parse.cache_clear()
    try:
        graph = parse_sentence("wall there", backend="rules")
        assert seen == ["wall there", PREFIX + "wall there"]
        assert graph.utterance == seen[1]
    finally:
        parse._parse.cache_clear()


@pytest.mark.parametrize("backend", BACKENDS)
def test_words_for_sides_belong_to_the_relation(backend):
    graph = parse_sentence("the lamp on the left side of the desk", backend=backend)
    assert [node.target for node in graph.nodes] == ["lamp", "desk"]
    assert [edge.relation for edge in graph.edges] == ["on the left side of"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_parses_are_remembered(backend):
    first = parse_sentence("the chair beside the window", backend=backend)
    assert parse_sentence("  the chair beside the  window ", backend=backend) is first


@pytest.mark.parametrize("backend", BACKENDS)
def test_own_noun_lists(backend):
    words = Vocabulary(frozenset({"object", "gizmo"}), frozenset(), frozenset())
    graph = parse_sentence("the small gizmo on the chair", backend=backend, vocabulary=words)
    assert [node.target for node in graph.nodes] == ["gizmo"]


def test_bad_input():
    for text in ("", "  \n"):
        with pytest.raises(InputError, match="got an empty text"):
            parse_sentence(text)
    with pytest.raises(InputError, match="expected text, got NoneType"):
        parse_sentence(None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="expected auto, rules, spacy, got 'stanza'"):
        parse_sentence("a chair", backend="stanza")
    with pytest.raises(InputError, match="expected scanrefer or multi3drefer"):
        parse_sentence("a chair", source="nr3d")


@pytest.mark.parametrize("missing", ["spacy", "model"])
def test_without_spacy_or_its_model(monkeypatch, missing):
    real = spacy_backend.find_spec
    models = {*spacy_backend.MODELS, spacy_backend.CARRIER}

    def find_spec(name):
        return None if name == missing or name in models else real(name)

    monkeypatch.setattr(spacy_backend, "find_spec", find_spec)
    if missing == "spacy":
        monkeypatch.setitem(sys.modules, "spacy", None)  # any import of it fails
        monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    parse._parse.cache_clear()
    assert spacy_backend.installed_model() is None
    assert chosen_backend("auto") == "rules"
    assert chosen_backend("spacy") == "spacy"
    with pytest.raises(InputError, match=r"expected spaCy 3.8 with an English model.*backend='rules'"):
        parse_sentence("the chair beside the window", backend="spacy")


def test_auto_takes_spacy_where_there_is_a_model(monkeypatch):
    monkeypatch.setattr(spacy_backend, "installed_model", lambda: "en_core_web_sm")
    assert chosen_backend() == "spacy"
    assert chosen_backend("rules") == "rules"


def test_spacy_document_to_plain_tokens():
    spacy = pytest.importorskip("spacy")
    vocab = spacy.blank("en").vocab
    for entry in json.loads((GOLDEN / "bqnet" / "scene_graph_a.json").read_text(encoding="utf-8")):
        given = {key: [token[key] for token in entry["tokens"]] for key in entry["tokens"][0]}
        doc = spacy.tokens.Doc(
            vocab,
            words=given["text"],
            lemmas=given["lemma"],
            pos=given["pos"],
            tags=given["tag"],
            deps=given["dep"],
            heads=given["head"],
        )
        found = spacy_backend.from_doc(doc, entry["text"])
        assert [[chunk.start, chunk.end, chunk.root] for chunk in found.chunks] == entry["noun_chunks"]
        for token, wanted in zip(found.tokens, entry["tokens"], strict=True):
            assert {key: getattr(token, key) for key in ("text", "lemma", "tag", "dep", "head")} == {
                key: value for key, value in wanted.items() if key != "pos"
            }
    assert spacy_backend.from_doc(spacy.tokens.Doc(vocab, words=[]), "").tokens == ()


def test_broken_model_says_which(monkeypatch):
    spacy = pytest.importorskip("spacy")

    def load(name, **_):
        raise OSError(f"[E050] Can't find model '{name}'.\nmore")

    monkeypatch.setattr(spacy, "load", load)
    monkeypatch.setattr(spacy_backend, "installed_model", lambda: "en_core_web_lg")
    spacy_backend._load.cache_clear()
    try:
        with pytest.raises(InputError, match=r"spaCy model en_core_web_lg.*E050"):
            spacy_backend.parse_text("a chair")
    finally:
        spacy_backend._load.cache_clear()


@needs_model
def test_spacy_tokens_are_the_words():
    text = "it's the l-shaped desk, isn't it?  café's 🙂."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = spacy_backend.parse_text(text)
    assert [token.text for token in found.tokens] == text.split()
