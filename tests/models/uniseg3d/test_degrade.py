"""The degrading view inside UniSeg3D's samples: truth, clicks and sentences agree with what is left of the scan."""

from dataclasses import replace

import numpy as np
import pytest

from saymask.data.samples.degrade import Degradation
from saymask.errors import InputError
from saymask.models.uniseg3d.batch import make_sample
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.presets import rooms, scannet
from tests.models.fakes import annotation
from tests.models.uniseg3d.test_model import SMALL, scan_of, tiny


def test_published_settings_do_not_degrade_and_draw_as_before():
    assert UniSeg3DConfig().degrade.share == 0
    assert scannet().model.degrade.share == 0
    assert rooms().model.degrade.share == 0.85
    assert not rooms().model.degrade.library
    scan = scan_of()
    plain = make_sample(scan, (), SMALL, np.random.RandomState(3))
    other = make_sample(scan, (), replace(SMALL, degrade=Degradation(share=0, crop=1)), np.random.RandomState(3))
    np.testing.assert_array_equal(plain.scan.features, other.scan.features)
    np.testing.assert_array_equal(plain.queries, other.queries)


@pytest.mark.parametrize("seed", range(6))
def test_truth_clicks_and_sentences_are_about_what_is_left(seed):
    scan = scan_of(seed)
    config = replace(SMALL, degrade=Degradation(share=1), any_number=True, others=True)
    ids = [i for i in np.unique(scan.labels["instance"]).tolist() if i >= 0]
    asked = [annotation(f"thing {i}", i, scan=scan.name) for i in ids]
    sample = make_sample(scan, asked, config, np.random.RandomState(seed))
    assert sample.truth is not None
    rows = len(sample.scan.positions)
    assert sample.truth.masks.shape[1] == rows
    assert sample.scan.index.max() == rows - 1
    assert (sample.queries < rows).all()
    assert (sample.clicks < rows).all()
    for click, row in zip(sample.clicks, sample.truth.click_objects.tolist(), strict=True):
        assert 0 <= click < rows
        assert row < len(sample.truth.masks)
    assert len(sample.texts) == len(sample.truth.text_masks)
    for text, mask, row in zip(sample.texts, sample.truth.text_masks, sample.truth.text_objects, strict=True):
        assert text.startswith("thing")
        np.testing.assert_array_equal(mask.numpy(), sample.truth.masks[int(row)].numpy())


def test_a_library_that_cannot_be_read_is_said_before_training(tmp_path):
    model = tiny(degrade=Degradation())
    model.config = replace(model.config, degrade=Degradation(share=1, library=str(tmp_path / "none.npz")))
    with pytest.raises(InputError, match="furniture library"):
        model.begin_training(tmp_path, (), lambda line: None)


def test_the_test_view_is_never_degraded():
    scan = scan_of()
    config = replace(SMALL, degrade=Degradation(share=1))
    np.testing.assert_array_equal(
        make_sample(scan, (), config).scan.features, make_sample(scan, (), SMALL).scan.features
    )
