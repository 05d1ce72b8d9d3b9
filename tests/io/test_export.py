"""Results as files."""

import io
import json

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.export import export, stem
from tests.viewer.fakes import FakeScene, small_room


def test_masks_come_back_from_every_format():
    scan, owner = small_room()
    masks = FakeScene(scan, owner).refer("the bed and the desk")
    name, content = export(masks, "npz")
    assert name == "small_room_masks.npz"
    with np.load(io.BytesIO(content)) as file:
        np.testing.assert_array_equal(file["mask_0"].astype(bool), masks.points(0))
    name, content = export(masks, "json")
    assert len(json.loads(content)["masks"]) == 2
    name, content = export(masks, "ply")
    assert content.startswith(b"ply")
    assert b"mask_1" in content[:2000]


def test_what_cannot_be_saved():
    scan, owner = small_room()
    masks = FakeScene(scan, owner).refer("the bed")
    with pytest.raises(InputError, match="expected one of"):
        export(masks, "exe")
    with pytest.raises(InputError, match="faces"):
        export(masks, "glb")


def test_stems():
    assert stem("../a b.ply") == "a_b"
    assert stem("") == "scan"
