"""`saymask doctor --warm`: nothing is left to compile afterwards."""

import os
import subprocess
import sys

import pytest

from saymask.answers import VERBS
from saymask.cli.stages import COMPILING
from saymask.cli.warm import ASK
from tests.cli.test_cli import room  # noqa: F401


def test_every_verb_is_asked():
    assert set(ASK) == set(VERBS)


@pytest.mark.slow
def test_nothing_is_left_to_compile(room, tmp_path):  # noqa: F811
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DEBUG_CACHE": "1"}

    def saymask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "saymask", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    warm = saymask("doctor", "--warm")
    assert warm.stdout.count("data saved to") > 20
    assert "compiling what pictures need" in warm.stderr
    asked = saymask("refer", str(room[0]), "the table", "--picture", str(tmp_path / "picture.png"))
    assert "data saved to" not in asked.stdout
    assert COMPILING not in asked.stderr
