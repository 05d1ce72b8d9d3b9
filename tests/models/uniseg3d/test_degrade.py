"""The degrading view inside UniSeg3D's samples: truth, clicks and sentences agree with what is left of the scan."""

import numpy as np
import pytest

from saymask.data.samples.degrade import Degradation
from tests.models.fakes import annotation
from tests.models.uniseg3d.test_model import scan_of, tiny


@pytest.mark.parametrize("seed", range(6))
def test_truth_clicks_and_sentences_are_about_what_is_left(seed):
    scan = scan_of(seed)
    model = tiny(degrade=Degradation(share=1), any_number=True, others=True)
    ids = [i for i in np.unique(scan.labels["instance"]).tolist() if i >= 0]
    asked = [annotation(f"thing {i}", i, scan=scan.name) for i in ids]
    sample = model.training_sample(scan, asked, rng=np.random.RandomState(seed))
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
