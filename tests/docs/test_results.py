"""Tables of the pages and README's numbers are those of docs/results, measured with the weights that ship."""

import json
import re

import pytest

from benchmarks.results import plan
from saymask.hub.headers import embedded
from saymask.util.provenance import weights_sha256
from tests.docs.scripts import load

make_results = load("make_results")
PAGES = {page.name: page for page in make_results.PAGES}
EXPERIMENTS = sorted((make_results.RESULTS / "experiments").glob("*.json"))


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_what_was_measured(name):
    text = PAGES[name].read_text(encoding="utf-8")
    assert make_results.with_results(text) == text, "run `make docs`"


def test_no_table_of_the_results_is_typed_in():
    left = make_results.BLOCK.sub("", PAGES["results.md"].read_text(encoding="utf-8"))
    assert not re.search(r"^\|", left, re.MULTILINE)


def test_every_part_is_shown():
    shown = {name for page in PAGES.values() for _, name, _ in make_results.BLOCK.findall(page.read_text("utf-8"))}
    assert shown == {*make_results.PARTS, *(path.stem for path in EXPERIMENTS)}


def test_results_are_those_of_the_plan():
    assert set(make_results.files()) <= {e.kept for e in plan()}


@pytest.mark.parametrize("path", make_results.files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_results_are_of_the_weights_that_ship(path):
    facts = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    assert facts["weights_sha256"] == _weights(path.parent.name), "stale: run `make results`"
    assert {"command", "date", "commit"} <= facts.keys()
    if facts["commit"] != "not recorded":  # figures that were text before there were files
        assert {"cpu", "flags", "cores", "torch", "data_sha256"} <= facts.keys()


def _weights(model: str) -> str | None:
    return weights_sha256(embedded()[model])


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_say_where_they_come_from(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {"command", "date", "commit", "weights", "data", "machine"} <= content["provenance"].keys()
    assert {len(row) for row in content["rows"]} == {len(content["columns"])}


def test_the_card_says_the_same():
    card = json.loads(embedded()[make_results.DEFAULT].with_suffix(".json").read_text(encoding="utf-8"))
    found = make_results.read(make_results.DEFAULT, "rooms1-all")["results"]
    pq = found["panoptic"]["scannet"]["metrics"]["overall"]["pq"]
    assert card["headline"]["PQ"] == pytest.approx(100 * pq, abs=0.5), "python -m benchmarks.results --card"


def test_other_numbers_make_another_table(monkeypatch, tmp_path):
    text = PAGES["results.md"].read_text(encoding="utf-8")
    monkeypatch.setattr(make_results, "RESULTS", tmp_path)
    make_results.read.cache_clear()
    try:
        assert make_results.with_results(text) != text
    finally:
        make_results.read.cache_clear()


def test_cells():
    shown = make_results.table(("a", "b", "c", "d"), [["x", 1234, 0.125, None]], 2)
    assert shown.splitlines()[-1] == "| x | 1,234 | 0.12 |  |"
    assert make_results.share({"n": 0, "miou": 0.5}, "miou") is None
    assert make_results.share({"n": 4, "miou": 0.5}, "miou") == make_results.share({"miou": 0.5}, "miou") == 50
