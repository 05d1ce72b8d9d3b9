"""Words of former versions."""

import pytest

from saymask.cli.renamed import renamed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["x", "--task", "instance", "instance"], ["x", "--task", "instances", "instance"]),
        (["--task=interactive"], ["--task=click"]),
        (["--train.task", "instance"], ["--train.task", "instances"]),
    ],
)
def test_former_tasks_are_understood(capsys, before, after):
    assert renamed(before) == after
    assert "is called" in capsys.readouterr().err


def test_other_words_stay(capsys):
    for line in ([], ["--task"], ["--task", "semantic"], ["interactive"], ["--out", "instance"]):
        assert renamed(line) == line
    assert capsys.readouterr().err == ""
