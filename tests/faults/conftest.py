"""What the tests of faults share: the toy models, and what every job reads and writes when nothing disturbs it."""

import pytest

from tests.faults.jobs import JOBS, contents
from tests.models.toy_model import register


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def undisturbed(tmp_path):
    """Return for a job the folder that it reads, and the contents of what it writes."""

    def do(name):
        source, out = tmp_path / "source", tmp_path / "whole"
        source.mkdir()
        out.mkdir()
        JOBS[name].make(source)
        JOBS[name].work(source, out)
        return source, contents(out)

    return do
