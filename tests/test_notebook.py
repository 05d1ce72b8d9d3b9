"""A notebook: the answer at the end of a cell is a picture, executed by a real kernel."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel are not installed (extra dev)")
nbformat = pytest.importorskip("nbformat")

CELLS = (
    """
import saymask
from tests.io.rooms import furnished_room
points, colors, owner = furnished_room(density=150)
scan = saymask.Scan.from_arrays(points, colors, name="room")
scan
""",
    """
scene = saymask.load_model().encode(scan)
scene.refer("the table")
""",
    "saymask.Masks.from_points(scan, owner == 1, names=('thing',)).show(picture=True)",
)


@pytest.mark.slow
def test_the_last_line_of_a_cell_is_a_picture():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    described, answer, shown = (cell.outputs for cell in notebook.cells)
    assert described[-1].data["text/plain"].startswith("Scan(room: ")
    (result,) = (o for o in answer if o.output_type == "execute_result")
    assert result.data["text/plain"].startswith("Masks(")
    assert "<table>" in result.data["text/html"]
    for data in (result.data, shown[-1].data):
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
        assert min(picture.shape[:2]) > 300
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
