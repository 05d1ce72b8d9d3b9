"""A sentence's mask as one mask per object."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import Said
from saymask.models.uniseg3d.outputs import Stage
from saymask.models.uniseg3d.split import split_objects

CONFIG = UniSeg3DConfig(agnostic_threshold=0.5, fewest_points=10)


def said_of(masks, iou=None):
    """What queries with logits [Q, S] say."""
    queries, size = masks.shape
    iou = torch.full((queries,), 0.9) if iou is None else iou
    return Said(
        Stage(torch.zeros(queries, 19), masks, torch.zeros(queries, 4), iou),
        torch.zeros(size, 21),
        torch.zeros(size, 3),
    )


def test_objects_that_lie_in_the_mask_part_it():
    masks = torch.full((4, 7), -6.0)
    masks[0, :2] = 6  # meant
    masks[1, 2:4] = 6  # meant, as well as superpoint 4, a little
    masks[1, 4] = -2
    masks[2, 5:] = 6  # a third of it is in the mask
    masks[3, :2] = 5  # the first object again
    counts = torch.tensor([50, 50, 50, 50, 5, 50, 100])
    logits = torch.tensor([3.0, 1, 2, 4, 1, 2, -3])
    rows = split_objects(logits, said_of(masks), counts, CONFIG)
    assert (rows > 0).tolist() == [
        [True, True, False, False, False, True, False],
        [False, False, True, True, True, False, False],
    ]
    assert torch.equal(rows.amax(0), logits)


def test_one_object_or_none_is_not_parted():
    masks = torch.full((2, 3), -6.0)
    masks[0, :2] = 6
    logits = torch.tensor([3.0, 2, 1])
    assert split_objects(logits, said_of(masks), torch.tensor([50, 50, 50]), CONFIG).tolist() == [logits.tolist()]
    unsure = said_of(masks, iou=torch.tensor([0.1, 0.1]))
    assert split_objects(logits, unsure, torch.tensor([50, 50, 50]), CONFIG).tolist() == [logits.tolist()]


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 10_000))
def test_the_parts_are_disjoint_and_make_up_the_mask(size, queries, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = 6 * torch.randn(queries, size, generator=generator)
    logits = torch.randn(size, generator=generator)
    counts = torch.randint(1, 60, (size,), generator=generator)
    rows = split_objects(logits, said_of(masks), counts, CONFIG)
    assert len(rows) >= 1
    assert ((rows > 0).sum(0) == (logits > 0)).all()
