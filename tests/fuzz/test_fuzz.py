"""A short run over every reader, and that the harness sees what it looks for."""

import os
import sys
from pathlib import Path

import pytest

from saymask.io.load import READERS
from tests.fuzz import run, targets
from tests.fuzz.seeds import SEEDS

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
QUICK = [name for name in SEEDS if name not in ("e57", "xyz", "asc", "tsv", "xyzrgb", "txt")]
"""Text suffixes share their reader with csv and pts."""


def test_every_reader_has_seeds_and_a_call():
    assert set(SEEDS) == set(targets.TARGETS) >= set(READERS)


@pytest.mark.timeout(120)
def test_damaged_files_are_refused_and_do_no_harm():
    for extra in ("laspy", "pye57"):
        pytest.importorskip(extra)
    found = run.fuzz(QUICK, 8 * len(QUICK), seed=1, processes=1)
    assert not found.finds, "\n".join(map(str, found.finds))
    assert sum(c["refused"] for c in found.counts.values()) > 3 * len(QUICK)
    assert sum(c["loaded"] for c in found.counts.values()) > 0.5 * len(QUICK)


def test_the_same_seed_gives_the_same_input():
    first, again = (run.make_input(3, "csv", 5) for _ in range(2))
    assert first == again
    assert any(run.make_input(3, "csv", i) != first for i in range(6, 9))


@pytest.fixture
def misbehaved(monkeypatch, tmp_path):
    """A child whose reader does what the file says; its own process, so that the calls are replaced by a module."""
    code = tmp_path / "bad_child.py"
    code.write_text(
        "import os, time\nfrom pathlib import Path\nfrom tests.fuzz import child, targets\n"
        "def act(path):\n    what = Path(path).read_text()\n"
        "    if what == 'raise': raise KeyError('x')\n    if what == 'abort': os.abort()\n"
        "    if what == 'hang':\n        while True: pass\n"
        "    if what == 'eat': return len(b'1' * 700_000_000)\n"
        "targets.TARGETS['csv'] = act\nchild.main()\n"
    )
    monkeypatch.setattr(run, "COMMAND", [sys.executable, str(code)])
    monkeypatch.setattr(run, "SECONDS", 2.0)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
    child = run.Child(tmp_path / "files")
    yield child
    child.close()


@pytest.mark.parametrize(
    ("what", "outcome"),
    [("ok", "loaded"), ("raise", "other"), ("abort", "abort"), ("hang", "time-out"), ("eat", "memory")],
)
def test_what_must_not_happen_is_seen(misbehaved, what, outcome):
    assert misbehaved.read("csv", {"a.csv": what.encode()})["outcome"] == outcome
    assert misbehaved.read("csv", {"a.csv": b"ok"})["outcome"] == "loaded"  # started again where it died
