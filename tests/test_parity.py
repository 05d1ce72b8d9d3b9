"""Every golden case that is copied into the project, each within its tolerance."""

import numpy as np
import pytest

from tests.emulated_cuda import emulated_cuda
from tests.parity import DEVICE, GOLDEN, SYSTEMS, Check, load, main, run
from tests.parity.ties import TIE, ranked

FILES = [(s, p) for s in SYSTEMS for p in sorted((GOLDEN / s).glob("*.*")) if p.suffix in {".npz", ".json"}]


@pytest.mark.parametrize(("system", "path"), FILES, ids=[f"{s}/{p.name}" for s, p in FILES])
def test_golden_case(system, path, tmp_path):
    (tmp_path / path.name).symlink_to(path)
    failed = [(check.name, error) for _, check, error, ok in run(system, tmp_path) if not ok]
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_golden_cases_on_a_device(system, monkeypatch):
    monkeypatch.setattr("saymask.sparse.backends.select._has_triton", lambda: False)
    there, failed = 0, []
    with emulated_cuda():
        for file, check, error, ok in run(system, GOLDEN / system, device="cuda"):
            there += getattr(check.got, "is_cuda", False)
            failed += [] if ok else [(file, check.name, error)]
    assert not failed
    assert there > 100
    assert DEVICE.get() == "cpu"


def test_a_case_that_raises_fails_alone(tmp_path, capsys):
    np.savez(tmp_path / "iou_A.npz", other=np.zeros(1))
    np.savez(tmp_path / "qsa_A.npz", **load(next((GOLDEN / "less").glob("qsa_*.npz"))))
    assert main(["less", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "iou_A.npz  KeyError" in said
    assert "3 passed, 1 failed" in said


def test_share_of_a_tolerance():
    check = Check("x", np.array([1.0, 2.1, np.nan]), np.array([1.0, 2.0, np.nan]), atol=0.1, rtol=0.05)
    assert check.share() == pytest.approx(0.5)
    assert Check("exact", [1, 2], [1, 2]).share() == 0
    assert Check("not exact", [1, 2], [1, 3]).share() == np.inf
    assert Check("shape", [1, 2], [1], atol=1.0).share() == np.inf


def test_unknown_file_fails(tmp_path, capsys):
    (tmp_path / "mystery_A.json").write_text("{}")
    assert main(["less", str(tmp_path)]) == 1
    assert "mystery_A.json" in capsys.readouterr().out


def test_empty_folder_fails(tmp_path):
    assert main(["less", str(tmp_path)]) == 1


SCORES = np.array([0.9, 0.5, 0.5 - TIE / 2, 0.5 - 1.4 * TIE, 0.1])
MASKS = np.eye(5, dtype=bool)
LABELS = np.array([3, 1, 2, 1, 0])


def misses(order: list[int], *, masks: np.ndarray = MASKS, labels: np.ndarray = LABELS, first: int = 5) -> list[str]:
    """Return what fails when the rows come in this order; of the masks the first ones are known only."""
    columns = {"masks": (masks[order], MASKS[:first]), "labels": (labels[order], LABELS)}
    scores = Check("scores", SCORES[order], SCORES, atol=TIE)
    return [check.name for check in ranked(columns, scores) if not check.error()[1]]


def test_ties_may_swap():
    assert not misses([0, 1, 2, 3, 4])
    assert not misses([0, 2, 1, 3, 4])
    assert not misses([0, 1, 3, 2, 4])
    assert not misses([0, 2, 1, 3, 4], first=2)  # the row that came second is known by its label and score only


def test_what_is_no_tie_may_not_swap():
    assert misses([0, 3, 2, 1, 4]) == ["scores", "masks"]  # both are near the row between them, not each other
    assert misses([1, 0, 2, 3, 4]) == ["scores", "masks", "labels"]


def test_tied_rows_that_differ_fail():
    other = MASKS.copy()
    other[2, 4] = True
    assert misses([0, 2, 1, 3, 4], masks=other) == ["masks"]
    assert misses([0, 2, 1, 3, 4], labels=np.array([3, 2, 1, 1, 0])) == ["masks"]  # the labels alone did not swap
    doubled = MASKS.copy()
    doubled[2] = doubled[1]  # one row twice and the other not at all
    assert misses([0, 1, 2, 3, 4], masks=doubled) == ["masks"]


def test_a_row_too_few_fails():
    columns = {"labels": (LABELS[:4], LABELS)}
    assert [c.error()[1] for c in ranked(columns, Check("scores", SCORES[:4], SCORES, atol=TIE))] == [False, False]
