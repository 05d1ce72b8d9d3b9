"""Pictures of predictions beside the truth."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.evaluation.pictures import chosen
from saymask.evaluation.request import SHEET, Request
from saymask.evaluation.rows import read_rows
from saymask.evaluation.run import evaluate
from saymask.hub import registry
from saymask.render.palette import HIGHLIGHT
from tests.models.toy_model import make_prepared, register


@pytest.fixture
def data(tmp_path, monkeypatch):
    register(monkeypatch)
    make_prepared(tmp_path / "data")
    return tmp_path / "data"


def marked(image):
    """Return how many pixels of an image have the colour of a mask, roughly."""
    pixels = np.asarray(image.convert("RGB"), np.float32)
    return int((np.abs(pixels - HIGHLIGHT[0]).max(2) < 40).sum())


def test_the_worst_answers_are_drawn_beside_the_truth(data, tmp_path):
    request = Request(
        data, pictures=tmp_path / "p", most_pictures=3, worst=True, rows=tmp_path / "r.csv", baselines=False, quiet=True
    )
    evaluate(registry.build("toy.tiny"), request)
    files = sorted(p.name for p in (tmp_path / "p").iterdir())
    assert len(files) == 4
    assert files[-1] == SHEET
    worst = sorted(read_rows(tmp_path / "r.csv"), key=lambda row: (row["iou"], row["scene"], row["annotation"]))[:3]
    assert [f"{i:03d}-{r['scene']}-{r['annotation']}.png" for i, r in enumerate(worst)] == files[:3]
    with Image.open(tmp_path / "p" / files[0]) as image:
        truth = image.crop((image.width // 2, 0, image.width, image.height))
        assert marked(truth) > 20


def test_stored_predictions_give_the_same_pictures(data, tmp_path):
    common = {"most_pictures": 2, "baselines": False, "quiet": True}
    evaluate(registry.build("toy.tiny"), Request(data, pictures=tmp_path / "a", export=tmp_path / "e.json", **common))
    evaluate(tmp_path / "e.json", Request(data, pictures=tmp_path / "b", **common))
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "b").iterdir())
    assert len(names) == 3
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_without_worst_they_are_spread_over_the_sentences():
    class Some:
        def __init__(self, number):
            self.key, self.ann_id = ("a", number), number

    counted = SimpleNamespace(records={("a", number): None for number in range(20) if number != 7})
    rows = [Some(number) for number in range(20)]
    assert [a.ann_id for a in chosen(rows, counted, most=3, worst=False)] == [0, 10, 19]
    assert len(chosen(rows, counted, most=50, worst=False)) == 19


def test_what_cannot_be_drawn_is_refused_first(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="pictures: expected task refer"):
        Request(data, task="semantic", pictures=tmp_path / "p").check()
    with pytest.raises(InputError, match="most_pictures: expected 1 or more"):
        Request(data, pictures=tmp_path / "p", most_pictures=0).check()
    with pytest.raises(InputError, match="is a file"):
        Request(data, pictures=tmp_path / "file").check()
