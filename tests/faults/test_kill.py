"""The short run of the kills; `python -m tests.faults` is the long one."""

import os

import pytest

from tests.faults.kill import disturb

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs process groups")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prepare", "train", "evaluate", "folder", "out"])
def test_nobody_notices_that_a_command_was_killed(name, tmp_path):
    result = disturb(name, 2, tmp_path)
    assert not result.problems
    assert result.kills.total() >= 2
