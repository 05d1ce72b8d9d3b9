"""Scores beside how often they are right."""

import numpy as np
import pytest
from scipy.special import expit, logit

from benchmarks.reliability import calibration_error, fit, read, reliability
from saymask.errors import InputError


def test_rows_of_a_file(tmp_path):
    (tmp_path / "rows.csv").write_text("scene,score,iou\na,0.95,0.9\na,0.91,0.3\nb,0.05,0.1\nb,,0.2\n")
    rows = reliability(*read(tmp_path / "rows.csv"))
    assert [(r["from"], r["n"], r["iou50"], r["iou25"]) for r in rows] == [(0.0, 1, 0.0, 0.0), (0.9, 2, 0.5, 1.0)]
    assert calibration_error(rows) == pytest.approx((0.05 + 2 * 0.43) / 3)


def test_a_sure_and_right_model_has_no_error():
    scores = np.random.default_rng(0).random(20_000)
    right = np.random.default_rng(1).random(20_000) < scores
    assert calibration_error(reliability(scores, right.astype(float))) < 0.02
    assert calibration_error(reliability(scores, 1 - right.astype(float))) > 0.4


def test_fitted_scores_are_probabilities():
    rng = np.random.default_rng(0)
    sure = rng.random(20_000)
    iou = (rng.random(20_000) < sure).astype(float)
    shown = expit(2 * logit(sure) - 3)  # too modest, as a model may be
    slope, offset = fit([(shown, iou)])
    assert (slope, offset) == (pytest.approx(0.5, abs=0.03), pytest.approx(1.5, abs=0.08))
    assert calibration_error(reliability(expit(slope * logit(shown) + offset), iou)) < 0.02
    assert calibration_error(reliability(shown, iou)) > 0.1


def test_every_file_counts_alike():
    sure, wrong = (np.full(10, 0.5), np.ones(10)), (np.full(1000, 0.5), np.zeros(1000))
    assert fit([sure, wrong])[1] == pytest.approx(0, abs=1e-3)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("scene,b\n1,2\n")
    with pytest.raises(InputError, match="expected rows with score and iou"):
        read(tmp_path / "rows.csv")
