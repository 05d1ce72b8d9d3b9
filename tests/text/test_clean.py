import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.text.clean import PREFIX, SOURCES, SUFFIX, clean_caption, collapse, model_text
from tests.parity import GOLDEN

CAPTIONS = json.loads((GOLDEN / "bqnet" / "text_a.json").read_text(encoding="utf-8"))["captions"]
ANY_TEXT = st.text(alphabet=string.printable + "’`éß日🙂\u00a0\u2003", max_size=80)


@pytest.mark.parametrize("caption", CAPTIONS, ids=[f"{c['raw'][:20]}-{c['scanrefer']}" for c in CAPTIONS])
def test_golden_captions(caption):
    utterance = clean_caption(caption["raw"], source="scanrefer" if caption["scanrefer"] else "multi3drefer")
    assert utterance == caption["utterance"]
    assert PREFIX + utterance == caption["utterance_when_parse_fails"]
    assert model_text(utterance) == caption["model_text"]


@pytest.mark.parametrize(
    ("raw", "source", "expected"),
    [
        # 2: the literal pairs of both sources, hyphens to " - "
        ("4-seat sofa, theses 8-hole files", "scanrefer", "4 - seat sofa , these 8 - hole files"),
        ("7-shaped 2-door shelf", "scanrefer", "7 - shaped 2 - door shelf"),
        ("3-compartment 3-tier shelf", "scanrefer", "3 - compartment 3 - tier shelf"),
        # 3: only for running text
        ("thats the one; theres [two]", "multi3drefer", "that is the one ; there is [ two ]"),
        ("thats the one; theres [two]", "scanrefer", "thats the one; theres [two]"),
        ("it’s the person’s; you’re", "multi3drefer", "it is the person is ; you are"),
        ("isnt arent youre doesnt", "multi3drefer", "is not are not you are does not"),
        ("Don't", "multi3drefer", "Do not"),
        ("tha=e ``best'' $5 #3 50% a:b", "multi3drefer", "the best 5 3 50% a b"),
        ("vacant", "multi3drefer", "vacan not"),  # replacements fire inside of words, as published
        # the order: the hyphen is gone before these pairs are tried
        ("left-hand wheel-chair", "multi3drefer", "left hand wheel chair"),
        # 4: one quote at each end, not two
        ("''a chair''", "scanrefer", "'a chair'"),
        ("' a chair '", "scanrefer", "a chair"),
    ],
)  # fmt: skip
def test_rules_in_their_order(raw, source, expected):
    assert clean_caption(raw, source=source) == expected


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("raw", ["", "   \n", "'", "''"])
def test_nothing_stays_nothing(raw, source):
    assert clean_caption(raw, source=source) == ""


@given(ANY_TEXT, st.sampled_from(SOURCES))
def test_utterance_is_the_beginning_of_the_model_text(raw, source):
    utterance = clean_caption(raw, source=source)
    assert utterance == collapse(utterance)
    text = model_text(utterance)
    assert text == utterance + SUFFIX
    prefixed = collapse(PREFIX + utterance)
    assert model_text(prefixed) == prefixed + SUFFIX


@given(st.text(max_size=40))
def test_model_text_separates_commas(text):
    assert all(word == "," or not word.endswith(",") or word[:-1].endswith(",") for word in model_text(text).split())


def test_long_sentence():
    raw = ", ".join(["the chair"] * 300)
    assert clean_caption(raw).split() == (["the", "chair", ","] * 300)[:-1]


def test_bad_input():
    with pytest.raises(InputError, match=r"scanrefer or multi3drefer.*nr3d"):
        clean_caption("a chair", source="nr3d")
    with pytest.raises(InputError, match="expected text, got int"):
        clean_caption(3)  # pyright: ignore[reportArgumentType]
