"""Files whose content would run code if anybody unpickled it: no reader does, whatever the file is called."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.io.uploads import check_kind
from tests.fuzz.run import write_files
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

ALLOWING = ("pickle", "conversion", "projections")
"""Readers of pickles with an allow-list: they may read what is left without the forbidden objects."""


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def npz(content):
    buffer = io.BytesIO()
    np.savez(buffer, points=np.array([content], object), allow_pickle=True)
    return buffer.getvalue()


def torch_file(content, zipped):
    buffer = io.BytesIO()
    torch.save({"a": content}, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


WAYS = {
    "pickle": lambda content: pickle.dumps(content),
    "old pickle": lambda content: pickle.dumps([content], protocol=0),
    "npz": npz,
    "torch": lambda content: torch_file(content, True),
    "old torch": lambda content: torch_file(content, False),
}


def test_the_payloads_work(tmp_path):
    for name, way in WAYS.items():
        made = tmp_path / name
        data = io.BytesIO(way(Payload(made)))
        if name == "npz":
            np.load(data, allow_pickle=True)["points"]
        elif "torch" in name:
            torch.load(data, weights_only=False)
        else:
            pickle.load(data)
        assert made.exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reader", SEEDS)
def test_no_reader_runs_what_a_file_says(reader, way, tmp_path):
    for extra in {"las": ["laspy"], "laz": ["laspy"], "e57": ["pye57"]}.get(reader, ()):
        pytest.importorskip(extra)
    made, content = tmp_path / "made", WAYS[way](Payload(tmp_path / "made"))
    seed = SEEDS[reader]()[0]
    for victim in [name for name in seed if not name.endswith("/")][:4]:
        path = write_files(tmp_path / "input", {**seed, victim: content})
        try:
            TARGETS[reader](path)
        except InputError:
            pass
        else:
            assert reader in ALLOWING or victim != next(iter(seed)), f"{victim} was taken for a file of this kind"
        assert not made.exists()


def test_a_state_of_a_training_is_data(tmp_path, monkeypatch):
    from tests.faults.jobs import JOBS
    from tests.models.toy_model import register

    register(monkeypatch)
    JOBS["train"].make(tmp_path)
    out = tmp_path / "run"
    JOBS["train"].work(tmp_path, out)
    for way in ("torch", "old torch", "pickle"):
        (out / "state.pt").write_bytes(WAYS[way](Payload(tmp_path / "made")))
        with pytest.raises(InputError, match="delete it to start anew"):
            JOBS["train"].work(tmp_path, out)
        assert not (tmp_path / "made").exists()


def test_pickles_are_no_uploads():
    for name in ("a.pkl", "a.pth", "a.ply.pickle"):
        with pytest.raises(InputError, match="expected a scan"):
            check_kind(name)


def test_an_archive_that_is_endless_is_refused(tmp_path):
    """300 MB of zeros in 300 kB: sizes are looked at before memory is taken."""
    path = tmp_path / "a.npz"
    header = np.lib.format.header_data_from_array_1_0(np.zeros((1, 3)))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {**header, "shape": (10**12, 3)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("points.npy", buffer.getvalue() + bytes(300_000_000))
    assert path.stat().st_size < 400_000
    with pytest.raises(InputError):
        TARGETS["npz"](path)
