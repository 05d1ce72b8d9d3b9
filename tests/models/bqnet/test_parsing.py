"""The parser and the noun lists of a training are kept with the model."""

import json

import pytest

from saymask.errors import InputError
from saymask.models.bqnet import parsing
from saymask.models.bqnet.batch import caption, expression
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.model import BQNet
from saymask.text.clean import PREFIX


def lists(path, objects=("gizmo",)):
    path.write_text(json.dumps({"objects": list(objects), "object_nouns": [], "scene_nouns": ["kitchen"]}))
    return str(path)


@pytest.mark.parametrize("installed", ["rules", "spacy"])
def test_auto_is_decided_once(monkeypatch, installed):
    monkeypatch.setattr(parsing, "chosen_backend", lambda backend: installed if backend == "auto" else backend)
    assert BQNet.settled(BQNetConfig()).parser == installed
    assert BQNet.settled(BQNetConfig(parser="rules")).parser == "rules"


def test_the_lists_go_along_and_not_their_place(tmp_path):
    path = lists(tmp_path / "nouns.json")
    config = BQNet.settled(BQNetConfig(parser="rules", vocabulary=path))
    assert str(tmp_path) not in config.vocabulary
    (tmp_path / "nouns.json").unlink()
    assert BQNet.settled(config) == config
    spans = expression("the gizmo beside the chair", parser="rules", vocabulary=config.vocabulary).spans
    assert spans != expression("the gizmo beside the chair", parser="rules").spans


def test_the_lists_decide_what_a_sentence_names(tmp_path):
    config = BQNetConfig(parser="rules", vocabulary=lists(tmp_path / "nouns.json"))
    assert not caption("the gizmo in the kitchen", config).startswith(PREFIX)
    assert caption("the kitchen", config).startswith(PREFIX)


def test_lists_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        BQNet.settled(BQNetConfig(vocabulary=str(tmp_path / "nouns.json")))
