"""Two commands that write to one folder at once: the second is refused, the first does not notice."""

import os
import signal
import time
from pathlib import Path

import pytest

from saymask.errors import InputError
from tests.faults.jobs import JOBS, contents, equal
from tests.faults.kill import context, end, enter, strays

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals that stop a process")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prepare", "folder", "train"])
def test_the_second_command_is_refused(name, tmp_path):
    source, whole, out = (tmp_path / folder for folder in ("source", "whole", "out"))
    for folder in (source, whole, out):
        folder.mkdir()
    JOBS[name].make(source)

    def begin(folder, last=0):
        arguments = (name, source, folder, last, signal.SIGSTOP)
        process = context(*JOBS[name].modules).Process(target=enter, args=arguments)
        process.start()
        return process

    begin(whole).join()
    first = begin(out, last=12)  # stopped before a change of a file in the middle of its work
    try:
        deadline = time.monotonic() + 200
        while not Path(f"{out}.reached").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        before = sorted(out.rglob("*"))
        with pytest.raises(InputError, match=r"another .*; wait for it or choose another folder"):
            JOBS[name].work(source, out)
        assert sorted(out.rglob("*")) == before
        os.killpg(first.pid, signal.SIGCONT)
        first.join(200)
        assert first.exitcode == 0, Path(f"{out}.log").read_text()
    finally:
        end(first)
    found, expected = contents(out), contents(whole)
    assert found.keys() == expected.keys()
    assert [path for path in found if not equal(found[path], expected[path])] == []
    assert not strays(out)
