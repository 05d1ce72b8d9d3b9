"""A sentence is the same text to a model in training, in evaluation and when a user types it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from saymask.data.annotations import Annotation, Sentence
from saymask.errors import InputError
from saymask.evaluation.tasks.refer import measure_sentences
from saymask.evaluation.tasks.task import Aside
from saymask.metrics import metric_for
from saymask.models.bqnet.batch import caption, expression
from saymask.models.less import rooms
from saymask.scene.scene import Scene
from saymask.text.clean import as_tokens
from tests.models import fakes
from tests.models.bqnet import test_model as test_bqnet
from tests.models.uniseg3d import test_model as test_uniseg3d

END = " . not mentioned"
CASES = [
    ("scanrefer", "the l-shaped couch near the tv", "the l-shaped couch near the tv"),
    (
        "scanrefer",
        "this is a 2.5 ft tall wall-mounted cabinet . it 's white .",
        "this is a 2.5 ft tall wall-mounted cabinet . it is white .",
    ),
    (
        "multi3drefer",
        "The left-hand chair , next to the wall-mounted tv",
        "The left hand chair , next to the wall mounted tv",
    ),
]
TYPED = ("the l-shaped couch, near the tv.", "the l shaped couch , near the tv .")
"""What a user types is running text."""


def annotated(source: str, text: str, written: str = "", ids=(0,)) -> Annotation:
    kind = "st_w_d" if source == "multi3drefer" else ""
    return Annotation("small0", ids, 0, text, written or text, object_name="chair", eval_type=kind)


@pytest.mark.parametrize(("source", "text", "read"), CASES)
def test_bqnet_cleans_a_sentence_as_its_source_is_written(source, text, read):
    config = replace(test_bqnet.SMALL, parser="rules")
    annotation = annotated(source, text)
    assert annotation.source == source
    assert expression(annotation.asked, parser="rules").text == read + END
    assert caption(annotation.asked, config) == read + END


def test_what_a_user_types_is_running_text():
    assert caption(TYPED[0], test_bqnet.SMALL) == TYPED[1] + END
    # Also where it looks like the tokens of ScanRefer: nothing is guessed.
    assert caption("the l-shaped couch near the tv", test_bqnet.SMALL) == "the l shaped couch near the tv" + END


class Heard(Exception):
    """Carries what the text encoder was asked to read."""


def heard(model, monkeypatch, ask) -> list[str]:
    """Return the texts of sentences that `ask` makes the model read; what it needs besides has been encoded before."""

    def listen(texts):
        raise Heard([str(t) for t in texts])

    with monkeypatch.context() as patch:
        patch.setattr(model, "text", listen)
        with pytest.raises(Heard) as stop:
            ask()
    return stop.value.args[0]


def models():
    return {
        "bqnet": test_bqnet.tiny(),
        "less": fakes.tiny(rooms()),
        "uniseg3d": test_uniseg3d.tiny(),
    }


READ = {
    "bqnet": lambda text, written, read: read + END,
    "less": lambda text, *_: as_tokens(text),
    "uniseg3d": lambda _, written, __: written,
}
"""What each system reads of (text, as written, cleaned): BQNet the last, LESS tokens, UniSeg3D what was written."""


def test_less_reads_tokens_as_scanrefer_has_them():
    for source, text, _ in CASES:
        assert (as_tokens(text) == text) == (source == "scanrefer")
    for typed, tokens in (
        ("The chair, next to the table.", "the chair , next to the table ."),
        ("It’s the L-shaped couch; isn't it?", "it 's the l-shaped couch ; is n't it ?"),
        ("a 2.5 m (white) desk", "a 2.5 m ( white ) desk"),
        ("  the people's   choice ", "the people 's choice"),
    ):
        assert as_tokens(typed) == tokens == as_tokens(tokens)


@pytest.mark.parametrize("system", READ)
@pytest.mark.parametrize(("source", "text", "read"), CASES)
def test_training_and_evaluation_read_the_same(system, source, text, read, monkeypatch, tmp_path):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    model, scan = models()[system], test_uniseg3d.scan_of()
    written = text.replace(" .", ".")
    annotation = annotated(source, text, written)
    expected = [READ[system](text, written, read)]

    batch = model.collate([model.prepare(scan, [annotation], rng=np.random.RandomState(0))])
    assert heard(model, monkeypatch, lambda: model.losses(batch)) == expected

    encoded = model.encode_batch(model.collate([model.prepare(replace(scan, labels={}))]))
    metric = metric_for("3dgres" if source == "multi3drefer" else "3dres")
    measured = heard(model, monkeypatch, lambda: measure_sentences(model, encoded, scan, metric, Aside([annotation])))
    assert measured == expected


@pytest.mark.parametrize("system", READ)
def test_use_reads_what_was_typed(system, monkeypatch, tmp_path):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    model = models()[system]
    scene = Scene(model, test_uniseg3d.scan_of())
    expected = [READ[system](TYPED[0], TYPED[0], TYPED[1])]
    assert heard(model, monkeypatch, lambda: scene.refer(f" {TYPED[0]} ")) == expected


def test_a_sentence_knows_its_source_and_not_what_it_means():
    asked = annotated("multi3drefer", "the chair", "The chair").asked
    assert (asked, asked.written, asked.source) == ("the chair", "The chair", "multi3drefer")
    assert not hasattr(asked, "object_ids")
    again = pickle.loads(pickle.dumps(asked))
    assert (again, again.written, again.source) == (asked, asked.written, asked.source)
    assert Sentence.of(asked) is asked
    typed = Sentence.of("the chair")
    assert (typed.written, typed.source) == ("the chair", "")
    only_tokens = Annotation("small0", (0,), 0, "the chair", "")
    assert only_tokens.asked.written == "the chair"
    with pytest.raises(InputError, match="empty text"):
        caption(" ", test_bqnet.SMALL)
