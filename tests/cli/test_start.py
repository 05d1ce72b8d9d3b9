"""What a fresh `saymask` loads: the seconds of its start are the modules that it imports."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from saymask.cli.demo import make_example
from tests.cli.test_cli import room  # noqa: F401

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch", "torch._dynamo", "sympy", "numba", "transformers", "lightning", "pandas", "matplotlib", "trimesh",
    "scipy.optimize", "scipy.spatial", "spacy", "viser", "huggingface_hub",
)  # fmt: skip
SCRIPT = """
import json, sys
from saymask.cli import main
try:
    main(sys.argv[2:])
finally:
    print("\\n" + json.dumps([name for name in sys.argv[1].split(",") if name in sys.modules]))
"""


def loaded(*arguments: str) -> set[str]:
    """Return which of the heavy modules a fresh process has loaded when the command is done."""
    command = [sys.executable, "-c", SCRIPT, ",".join(HEAVY), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 2), done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("reffer",), ("refer", "nowhere.ply", "the chair"), ("refer", "--help")],
)
def test_words_about_the_command_load_nothing_heavy(arguments):
    assert loaded(*arguments) == set()


@pytest.mark.slow
def test_refer_loads_torch_and_its_kernels_alone(room, tmp_path):  # noqa: F811
    assert loaded("refer", str(make_example(tmp_path)), "the brown table") <= {"torch", "numba"}
    cloud = str(room[0])  # whose units and far neighbours are looked up in a tree
    assert loaded("refer", cloud, "the brown table") <= {"torch", "numba", "scipy.spatial"}


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_passively_for_whoever_imports_the_package(given, kept):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    code = "import saymask, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == kept
