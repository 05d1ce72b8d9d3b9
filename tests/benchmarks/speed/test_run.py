"""The harness: results are kept, an interrupted run goes on, a failing case stops nothing, the page is current."""

import ast
import json
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.speed import report, run
from benchmarks.speed.cases import CASES
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure

ROOT = Path(__file__).parents[3]
HERE = ROOT / "benchmarks" / "speed" / "cases"


def test_every_case_is_registered_and_described():
    assert sorted(CASES) == sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__init__")
    for name in CASES:
        tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
        title, *_, text = (ast.get_docstring(tree) or "").split("\n")
        assert title.endswith(".")
        assert text
        assert "measure" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture
def measured(monkeypatch):
    """Cases that have been measured, by a stand-in."""
    asked: list[str] = []

    def measure(name: str, effort: Effort) -> list[dict]:
        asked.append(name)
        if name == "service":
            raise RuntimeError("no port")
        return [Figure(f"{name} {len(asked)}", 2.0, aim=1.0, peer=4.0, peer_of="other", parts={"slow": 1.5}).as_json()]

    monkeypatch.setattr(run.run, "__kwdefaults__", {**run.run.__kwdefaults__, "measure": measure})
    return asked


def test_an_interrupted_run_goes_on(measured, tmp_path, monkeypatch):
    effort = Effort(tmp_path)
    first, failed = run.run(["unet"], effort)
    assert measured == ["limits", "unet"]
    second, failed = run.run(["unet", "service", "scoring"], effort)
    assert measured == ["limits", "unet", "service", "scoring"]
    assert failed == {"service": "no port"}
    assert second["unet"] == first["unet"]
    assert {"date", "seconds", "others", "figures"} <= set(second["scoring"])
    run.run(["unet"], effort, again=True)
    assert measured[4:] == ["limits", "unet"]
    monkeypatch.setattr(run, "machine", lambda: {"cpu": "another"})
    run.run(["unet"], effort)
    assert measured[6:] == ["limits", "unet"]


def test_quick_results_are_not_taken_for_full_ones(measured, tmp_path):
    run.run(["unet"], Effort(tmp_path, quick=True))
    run.run(["unet"], Effort(tmp_path))
    assert measured == ["limits", "unet"] * 2


def test_the_command_writes_what_is_kept(measured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(command, "HISTORY", tmp_path / "history.json")
    arguments = ["--folder", str(tmp_path / "bench"), "--write", "--only"]
    assert command.main([*arguments, "unet"]) == 0
    assert command.main([*arguments, "scoring", "service"]) == 1
    out = capsys.readouterr()
    assert "scoring" in out.out
    assert "service failed: no port" in out.err
    found = json.loads((tmp_path / "docs" / "speed.json").read_text())
    assert list(found["results"]) == ["limits", "unet", "scoring"]
    page = (tmp_path / "docs" / "speed.md").read_text()
    assert "**Not measured**: command, reading" in page
    assert "Aims: 0 of 2 met" in page
    (entry,) = json.loads((tmp_path / "history.json").read_text())
    assert entry["figures"]["unet: unet 2"] == {"value": 2.0, "other": 0.5, "met": False}
    with pytest.raises(SystemExit):
        command.main(["--write", "--quick"])


def a_ledger(**changes) -> dict:
    figures = [
        Figure("fast", 0.5, cpu=0.7, aim=1.0, before=9.0, limit=0.25, limit_of="copy"),
        Figure("slow", 3.0, aim=1.0, parts={"a": 0.5, "b": 2.0}),
        Figure("plain", 12300.0, "MB", note="A remark."),
    ]
    result = {"date": "2026-01-02T03:04+00:00", "seconds": 60.0, "others": 0.0}
    machine = {"cpu": "C", "flags": ["avx2"], "cores": 2, "system": "Linux x", "python": "3", "saymask": "1"}
    results = {name: {**result, "figures": [f.as_json() for f in figures]} for name in ("limits", "unet")}
    return {
        "machine": {**machine, "torch": "2", "numba": "0", "numpy": "1"}, "quick": False, "results": results, **changes
    }  # fmt: skip


def test_the_page():
    found = a_ledger()
    page = report.markdown(found, [report.entry(found)])
    assert "## Aims: 1 of 2 met" in page
    assert "| unet: fast | 0.50 s | 0.70 | ≤ 1.00 s | yes | 9.00 s | 0.25 s (copy) | 2.00 |" in page
    assert "| unet: slow | 3.00 s | b 2.00, a 0.50 |" in page
    assert "| plain | 12,300 MB |" in page
    assert "plain: A remark." in page
    assert "not quiet" not in page
    assert "| unet: fast | 2.00 / – |" in page
    found["results"]["unet"]["others"] = 1.25
    assert "The machine was not quiet.** Other programs kept so many of its 2 cores busy: unet 1.2" in report.markdown(
        found, []
    )


def test_empty_columns_are_left_out():
    assert (
        report.table([["x", "", "1"], ["y", "", ""]], ("", "b", "c")) == "|  | c |\n| --- | --- |\n| x | 1 |\n| y |  |"
    )


def test_the_history_has_one_entry_per_version_and_machine():
    entry = report.entry(a_ledger())
    other = {**entry, "version": "2"}
    history = report.with_entry([entry, other], {**entry, "date": "later"})
    assert [(one["version"], one["date"]) for one in history] == [("2", "2026-01-02"), ("1", "later")]


def test_docs_are_what_the_figures_say():
    docs = ROOT / "docs"
    found = json.loads((docs / "speed.json").read_text(encoding="utf-8"))
    history = json.loads((ROOT / "benchmarks" / "history.json").read_text(encoding="utf-8"))
    assert (docs / "speed.md").read_text(encoding="utf-8") == report.markdown(found, history)
    assert report.entry(found) in history


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_case_for_real(tmp_path, capsys):
    assert command.main(["--only", "scoring", "--quick", "--folder", str(tmp_path)]) == 0
    figures = {f["what"]: f for f in json.loads((tmp_path / "scoring.json").read_text())["figures"]}
    assert figures["instances from files"]["value"] < figures["instances from files"]["peer"]
    assert "(plain" in capsys.readouterr().out
