import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from saymask.text.scene_graph.graph import word_spans
from saymask.text.token_maps import Spans, token_map, token_maps, token_rows
from tests.parity import GOLDEN
from tests.text.tiny import _byte_level

MAPS = json.loads((GOLDEN / "bqnet" / "text_a.json").read_text(encoding="utf-8"))["token_maps"]


def with_specials(pairs):
    return torch.tensor([(0, 0), *pairs, (0, 0)], dtype=torch.int64)


@pytest.mark.parametrize("entry", MAPS)
def test_golden_maps(entry):
    offsets = with_specials(entry["token_char_offsets_without_special"])
    rows = token_rows([tuple(span) for span in entry["spans"]], offsets)
    expected = torch.zeros_like(rows)
    for row, column, value in entry["nonzero"]:
        expected[row, column] = value
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)
    summed = token_map([tuple(span) for span in entry["spans"]], offsets)
    assert {column: summed[int(column)].item() for column in entry["summed"]} == pytest.approx(entry["summed"])
    assert summed.count_nonzero() == len(entry["summed"])


def char_to_token(offsets, character):
    """The tokenizer library's rule, written a second time: the first token whose characters hold this one."""
    return next((i for i, (start, end) in enumerate(offsets.tolist()) if start <= character < end), None)


def by_hand(span, offsets):
    begin, end = span
    tries = [char_to_token(offsets, begin + k) for k in range(3)]
    first = next((t for t in tries if t is not None), None)
    tries = [char_to_token(offsets, end - 1 - k) for k in range(3)]
    last = next((t for t in tries if t is not None), None)
    row = torch.zeros(len(offsets))
    if first is not None and last is not None:
        row[first : last + 1] = 1.0
    return row / (row.sum() + 1e-12)


@st.composite
def tokens_and_spans(draw):
    pairs, position = [], 0
    for _ in range(draw(st.integers(0, 12))):
        position += draw(st.integers(0, 4))
        length = draw(st.integers(1, 5))
        pairs += [(position, position + length)] * draw(st.integers(1, 2))  # pieces of one character share it
        position += length
    ends = st.integers(0, position + 4)
    spans = draw(st.lists(st.tuples(ends, ends), max_size=6))
    return with_specials(pairs), spans


@given(tokens_and_spans())
def test_rows_equal_the_rule_applied_span_by_span(case):
    offsets, spans = case
    rows = token_rows(spans, offsets)
    assert rows.shape == (len(spans), len(offsets))
    for row, span in zip(rows, spans):
        torch.testing.assert_close(row, by_hand(span, offsets))
    sums = rows.sum(1)
    assert bool(((sums - 1).abs() < 1e-5).logical_or(sums == 0).all())
    torch.testing.assert_close(token_map(spans, offsets), rows.sum(0))
    # Padding behind the text changes nothing.
    padded = torch.cat((offsets, torch.zeros(3, 2, dtype=torch.int64)))
    torch.testing.assert_close(token_rows(spans, padded)[:, : len(offsets)], rows)


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer with RoBERTa's special tokens and offsets."""
    tokenizer = _byte_level(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


WORDS = ["chair", "it's", "café", "🙂🙂", "l-shaped", "日本", ",", "…", "a"]


@settings(max_examples=30, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
def test_same_tokens_as_the_tokenizer_library(tokenizer, words):
    text = " ".join(words)
    encoding = tokenizer.encode(text)
    offsets = torch.tensor(encoding.offsets, dtype=torch.int64)
    for start, end in word_spans(text):
        (row,) = token_rows([(start, end)], offsets)
        first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
        columns = row.nonzero().flatten().tolist()
        assert columns == list(range(first, last + 1))
        assert row[first].item() == pytest.approx(1 / len(columns))


def test_maps_in_order_and_repeats_count_twice():
    offsets = with_specials([(0, 3), (4, 8), (9, 11)])
    maps = token_maps(Spans(positive=((4, 8),), rel=((9, 11), (9, 11)), other=((0, 3), (4, 8))), offsets)
    assert maps.tolist() == [
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 2, 0],
        [0, 1, 1, 0, 0],
    ]


def test_text_longer_than_256_tokens():
    words = " ".join(["chair"] * 300)
    spans = word_spans(words)
    rows = token_rows(spans, with_specials(spans))
    assert rows.shape == (300, 302)
    assert torch.equal(rows[:, 1:-1], torch.eye(300))


def test_a_text_that_the_encoder_cuts(tokenizer):
    text = " ".join(["chair"] * 300)
    offsets = torch.tensor(tokenizer.encode(text).offsets, dtype=torch.int64)[:200]
    offsets[-1] = 0  # a cut text keeps its end token
    summed = token_map(word_spans(text), offsets)
    assert summed[0] == summed[-1] == 0
    assert bool((summed[1:-1] > 0).all())  # every token that is left
    assert summed.sum().item() < 200  # words behind the cut have no token and are left out


@pytest.mark.parametrize("span", [(0, 0), (5, 5), (9, 4), (100, 120)])
def test_spans_that_lie_on_nothing(span):
    offsets = with_specials([(0, 3), (60, 64)])
    assert token_map([span], offsets).tolist() == by_hand(span, offsets).tolist()


def test_nothing_at_all():
    assert token_rows([], with_specials([(0, 3)])).shape == (0, 3)
    assert token_map([], with_specials([(0, 3)])).tolist() == [0, 0, 0]
    assert token_maps(Spans(positive=((0, 3),)), torch.zeros(0, 2, dtype=torch.int64)).shape == (5, 0)
