"""The numbered examples and the notebook: each runs as its docstring says, and leaves behind what it promises."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.written import EXAMPLES, NOTEBOOK, ROOT

SAYS = {
    "01_sentence": r"2 masks for “the chairs at the round table”",
    "02_words": r"threshold 0\.8: \d+ objects(?s:.*)refrigerator: relevance 0(?s:.*)nothing fits: piano",
    "03_clicks": r"without its foot \['object 0: 4,\d+ points'\]",
    "04_classes_and_objects": r"wall: \d\d % of the points(?s:.*)'chair': 2",
    "06_arrays": r"taken as millimetres(?s:.*)the lost one: -1(?s:.*)2 chairs in the trimesh object",
    "07_robot": r"1 × chair\nchair \(0\.\d+\): map \(",
    "08_many_questions": r"\[2, 1, 1, 1\]",
    "09_train_and_evaluate": r"last\.safetensors: 3dres mIoU(?s:.*)uniseg3d\.rooms: 3dres mIoU [3-9]\d\.",
    "10_own_model": r"mIoU \d+\.\d after 8 steps(?s:.*)expected a model with the 20 classes",
}
"""Example -> what it prints."""


def test_all_are_numbered_in_turn():
    assert [path.name[:2] for path in EXAMPLES] == [f"{i:02}" for i in range(1, len(EXAMPLES) + 1)]
    assert {path.stem for path in EXAMPLES} == {*SAYS, "05_all_prompts"}  # tests/examples/test_all_prompts.py


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_it_runs_as_written(name, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py"], cwd=tmp_path, capture_output=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[name], done.stdout), done.stdout
    for file in re.findall(r'"out/([\w.]+\.(?:ply|png))"', (ROOT / "examples" / f"{name}.py").read_text("utf-8")):
        assert (tmp_path / "out" / file).stat().st_size > 1000


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel are not installed (extra dev)")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 5
    assert (tmp_path / "out" / "chair.ply").is_file()
