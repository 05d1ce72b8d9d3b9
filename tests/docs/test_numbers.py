"""Numbers in make_numbers.README.md are those of the embedded model's card."""

import json

import pytest

from tests.docs.scripts import load

make_numbers = load("make_numbers")


@pytest.fixture(scope="module")
def card():
    return json.loads(make_numbers.CARD.read_text(encoding="utf-8"))


def test_readme_has_the_numbers_of_the_card(card):
    text = make_numbers.README.read_text(encoding="utf-8")
    assert make_numbers.with_numbers(text, card) == text, "run `make docs`"


def test_other_numbers_make_another_text(card):
    other = json.loads(json.dumps(card))
    other["metrics"]["foreign"]["handheld"]["click"] += 1
    assert make_numbers.paragraph(other) != make_numbers.paragraph(card)
