"""The page of questions answers what users of the published programs ask for most, each with a way to do it."""

import re

import pytest

from tests.docs.written import ROOT

TEXT = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
ANSWERS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", TEXT, re.MULTILINE))
ASKED = {
    "my own .ply": "saymask refer",
    "no mesh": "superpoints_of",
    "install it": "pip install",
    "new GPUs": "--device",
    "without a GPU": "results.md",
    "published numbers": "saymask evaluate",
    "checkpoint does not load": "checkpoints.md",
    "see the result": "--picture",
    "output mean": "mask_id",
    "too much memory": "large_scans.md",
    "data files": "data.md",
    "slow": "--sentences",
    "any sentence": "refer.md",
}
"""Words of the question -> what its answer must name."""


@pytest.mark.parametrize("words", ASKED)
def test_it_is_answered(words):
    (answer,) = [text for question, text in ANSWERS.items() if words in question]
    assert ASKED[words] in answer


def test_every_answer_says_something():
    assert len(ANSWERS) >= len(ASKED)
    assert not [question for question, text in ANSWERS.items() if len(text.split()) < 15]
