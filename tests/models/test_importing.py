"""What importers of official checkpoints share: renaming, the strict loop, its report, spconv's layouts."""

import pytest
import torch
from torch import nn

from saymask.errors import CheckpointError, InputError
from saymask.models.importing import Report, fit, from_spconv, renamed, spconv_shape
from saymask.nn.unet.network import SparseUNet


def test_the_first_pattern_that_matches_all_of_a_name():
    patterns = ((r"a\.(\d+)\.(.*)", r"x\2.\1"), (r"a\..*", r"y"), (r"(b)?c", r"[\1]"))
    assert renamed("a.3.weight", patterns) == "xweight.3"
    assert renamed("a.b", patterns) == "y"
    assert renamed("c", patterns) == "[]"
    for name in ("za.3.weight", "cc", ""):
        with pytest.raises(KeyError):
            renamed(name, patterns)


def test_every_key_has_its_place_in_the_report():
    own = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5)).state_dict()
    names = {name: f"old.{name}" for name in own}
    given = {
        "old.0.weight": torch.full((3, 2), 7.0),
        "old.0.bias": torch.ones(3),
        "old.1.weight": torch.ones(2, 5, 1),
        "loss.weight": torch.ones(1),
        "other": torch.ones(1),
        "my.loss.weight": torch.ones(1),
    }

    def ours(name, value):
        if value.ndim == 3:
            raise InputError("no such layout")
        return value.T if value.ndim == 2 else value

    found, report = fit(own, names, given, unused=r"loss\.", ours=ours, theirs=lambda name, shape: list(shape)[::-1])
    assert list(found) == ["0.weight"]
    assert torch.equal(found["0.weight"], torch.full((2, 3), 7.0))
    assert report == Report(
        used=("old.0.weight",),
        unused=("loss.weight",),
        missing=("old.1.bias",),
        unexpected=("other", "my.loss.weight"),
        wrong_shape=("old.0.bias: expected [2], got [3]", "old.1.weight: expected [2, 5], got [2, 5, 1]"),
    )
    with pytest.raises(CheckpointError) as caught:
        report.check("x.pth does not fit")
    assert str(caught.value) == (
        "x.pth does not fit: expected 4 tensors, 5 do not fit: old.1.bias: missing; other: unexpected; "
        "my.loss.weight: unexpected; old.0.bias: expected [2], got [3]; old.1.weight: expected [2, 5], got [2, 5, 1]"
    )


def test_what_fits_raises_nothing():
    own = nn.Linear(3, 2).state_dict()
    found, report = fit(own, {name: name for name in own}, {**own, "more": torch.ones(1)}, unused="more$")
    assert set(found) == set(report.used) == set(own)
    assert report.unused == ("more",)
    report.check("a checkpoint")
    _, report = fit(own, {name: name for name in own}, {**own, "more": torch.ones(1)})
    assert report.problems == ["more: unexpected"]


@pytest.mark.parametrize("layout", ["spconv1", "spconv2"])
def test_layouts_of_spconv(layout):
    own = SparseUNet(3, widths=(4, 6), block_reps=1).state_dict()
    for name, value in own.items():
        shape = spconv_shape(name, value.shape, layout)
        assert (len(shape) == 5) == (value.ndim == 3 or name.endswith("shortcut.weight")), name
        given = torch.randn(shape) if value.is_floating_point() else torch.zeros(shape, dtype=torch.int64)
        got = from_spconv(name, given, layout)
        assert got.shape == value.shape, name
        if len(shape) == 5 and not name.endswith("shortcut.weight"):
            side = 2 if len(value) == 8 else 3
            x, y, z = 1, 0, 1
            row = got[(x * side + y) * side + z]
            torch.testing.assert_close(row, given[x, y, z] if layout == "spconv1" else given[:, x, y, z].T)
        elif name.endswith("shortcut.weight") and layout == "spconv1":
            torch.testing.assert_close(got, given[0, 0, 0].T)
        elif name.endswith("shortcut.weight"):  # its memory is [in, out], whatever its shape says
            torch.testing.assert_close(got, given.reshape(value.shape[1], value.shape[0]).T)
