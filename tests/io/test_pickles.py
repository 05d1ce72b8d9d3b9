"""Files of others: every format is read, no code in any of them runs, damage is said."""

import argparse
import collections
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from saymask.errors import CheckpointError, InputError
from saymask.io.pickles import Ignored, is_pickle, read_foreign, read_pickle, refuse_pickle, state_dict_of

STATE = {"a": torch.arange(6).float(), "b": torch.ones(2, 3, dtype=torch.float16), "n": torch.tensor(7)}
WAYS = ("zip", "legacy", "pickle")


class Evil:
    """Would write a file if anybody unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class EvilStorage:
    """A tensor's storage whose bytes are themselves a file with an `Evil` in it."""

    def __init__(self, path, zipped=False):
        buffer = io.BytesIO()
        torch.save(Evil(path), buffer, _use_new_zipfile_serialization=zipped)
        self.data = buffer.getvalue()

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.data,)


def saved(path, content, way):
    if way == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == "zip")
    return path


@pytest.mark.parametrize("way", WAYS)
def test_tensors_are_read(way, tmp_path):
    path = saved(tmp_path / "x.pth", {"model_state_dict": collections.OrderedDict(STATE)}, way)
    content, refused = read_foreign(path)
    assert refused == ()
    for state in (state_dict_of(content), state_dict_of(read_pickle(path))):
        assert list(state) == list(STATE)
        assert all(torch.equal(state[key], STATE[key]) and state[key].dtype == STATE[key].dtype for key in STATE)
    assert torch.equal(read_pickle(saved(tmp_path / "t.pkl", STATE["a"], way)), STATE["a"])


@pytest.mark.parametrize("way", WAYS)
def test_arrays_of_numbers_are_read(way, tmp_path):
    for array in (np.arange(6), np.asfortranarray(np.eye(3)[:2]), np.zeros((0, 3), bool), np.array(3, ">i2")):
        got = read_pickle(saved(tmp_path / "x.pth", {"labels": array}, way))["labels"]
        assert (got.dtype.newbyteorder("="), got.shape) == (array.dtype.newbyteorder("="), array.shape)
        np.testing.assert_array_equal(got, array)
        (tmp_path / "new.pkl").write_bytes(pickle.dumps(array, protocol=5))
        np.testing.assert_array_equal(read_pickle(tmp_path / "new.pkl"), array)
    for bad in (np.array([{}], object), np.array(["x"])):
        with pytest.raises(InputError, match="expected arrays of numbers"):
            read_pickle(saved(tmp_path / "x.pth", bad, way))


def test_arrays_that_do_not_fit_their_bytes_are_refused(tmp_path):
    class Long:
        def __reduce__(self):
            made = np.arange(3).__reduce__()
            return made[0], made[1], (1, (10**9,), np.dtype("i8"), False, b"12345678")

    with pytest.raises(InputError, match=r"expected an array \[1000000000\] of int64, got 8 bytes"):
        read_pickle(saved(tmp_path / "x.pkl", Long(), "pickle"))


def test_a_type_that_is_more_than_a_number_is_refused_or_made_plain(tmp_path):
    class Made:
        """An array of whatever type."""

        def __init__(self, code, state):
            self.code, self.state = code, state

        def __reduce__(self):
            made = np.arange(3).__reduce__()
            return made[0], made[1], (1, (1,), Type(self.code, self.state), False, b"\0\0\0\0\0\0\0\1")

    class Type:
        def __init__(self, code, state):
            self.code, self.state = code, state

        def __reduce__(self):
            return np.dtype, (self.code, False, True), self.state

    plain = (3, ">", None, None, None, -1, -1, 0)
    # A state that claims fields and another width: NumPy never gets to see it.
    fields = (3, ">", (np.dtype("i4"), (4,)), ("a",), {"a": (np.dtype("O"), 0)}, 64, 1, 27)
    for state in (plain, fields):
        got = read_pickle(saved(tmp_path / "x.pkl", Made("i8", state), "pickle"))
        assert (got.dtype.newbyteorder("="), got.tolist()) == (np.dtype(np.int64), [1])
    for code in ("O8", "V8", "M8", "S8", "c8", "i8,i8", [("a", "O")], np.ndarray):
        with pytest.raises(InputError, match="expected arrays of numbers"):
            read_pickle(saved(tmp_path / "x.pkl", Made(code, plain), "pickle"))


@pytest.mark.parametrize("way", WAYS)
def test_what_else_is_read(way, tmp_path):
    content = {
        3: np.float64(0.5),
        "c": collections.defaultdict(list, {1: [np.int32(3)]}),
        "set": {1, 2},
        "size": torch.Size((2, 3)),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "bytes": b"\xffab",
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = saved(tmp_path / "x.pth", content, way)
    got = read_pickle(path)
    assert {k: v for k, v in got.items() if k != "parameter"} == {k: v for k, v in content.items() if k != "parameter"}
    assert torch.equal(got["parameter"], torch.ones(2))
    assert read_foreign(path)[1] == ()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [Evil, lambda p: {"k": [Evil(p)]}, EvilStorage, lambda p: EvilStorage(p, zipped=True)])
def test_code_does_not_run(way, make, tmp_path):
    target = tmp_path / "owned"
    path = saved(tmp_path / "evil.pth", {"model_state_dict": {"a": torch.ones(2)}, "hook": make(target)}, way)
    content, refused = read_foreign(path)
    assert torch.equal(state_dict_of(content)["a"], torch.ones(2))
    assert [name for name in refused if name.endswith(".open")]
    with pytest.raises(InputError, match=r"evil\.pth: .*\.open, which could run any code and is refused"):
        read_pickle(path)
    assert not target.exists()


@pytest.mark.parametrize("way", WAYS)
def test_objects_of_other_projects_are_ignored(way, tmp_path):
    history = pickle.loads(pickle.dumps(Exception("a foreign class")))
    more = {"options": argparse.Namespace(lr=0.1), "word": np.str_("text"), "array": np.ones(3), "history": history}
    path = saved(tmp_path / "history.pth", {"state_dict": {"module.a": torch.ones(2)}, "more": more}, way)
    content, refused = read_foreign(path)
    assert {"argparse.Namespace", "numpy.scalar", "numpy.ndarray"} < set(refused)
    assert any(name.endswith(".Exception") for name in refused)
    assert all(isinstance(value, Ignored) for value in content["more"].values())
    assert list(state_dict_of(content)) == ["a"]
    with pytest.raises(InputError, match="expected a number, got a NumPy scalar of type U4"):
        read_pickle(saved(tmp_path / "word.pkl", {"word": np.str_("text")}, way))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x80\x02}q\x00", b"no checkpoint at all"])
def test_damaged_files(content, tmp_path):
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        read_foreign(path)
    with pytest.raises(InputError, match=r"bad\.pth: expected a pickle of tensors and numbers"):
        read_pickle(path)


@pytest.mark.parametrize("way", WAYS)
def test_cut_off_files(way, tmp_path):
    path = saved(tmp_path / "x.pth", {"a": torch.randn(5000)}, way)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CheckpointError, match="cannot be read as a PyTorch checkpoint"):
        read_foreign(path)
    with pytest.raises(InputError, match="download it again"):
        read_pickle(path)


def test_missing_files_and_wrong_content(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint file"):
        read_foreign(tmp_path / "none.pth")
    with pytest.raises(InputError, match="no such file"):
        read_pickle(tmp_path / "none.pth")
    torch.save(torch.ones(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="expected a dictionary of tensors, got Tensor"):
        read_foreign(tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        state_dict_of({"epoch": 3})


def test_programs_and_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("script/data.pkl", "script/constants.pkl"):
            archive.writestr(name, pickle.dumps({}))
    with pytest.raises(CheckpointError, match=r"script\.pt is a TorchScript program"):
        read_foreign(tmp_path / "script.pt")
    name = pickle.dumps(0x1950A86A20F9469CFC6C, 2).decode("latin1")  # a tar that begins as PyTorch's old format does
    with tarfile.open(tmp_path / "old.pth", "w", encoding="latin1", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert read_magic(tmp_path / "old.pth") == 0x1950A86A20F9469CFC6C
    with pytest.raises(CheckpointError, match=r"old\.pth is a tar archive"):
        read_foreign(tmp_path / "old.pth")


def read_magic(path):
    with path.open("rb") as file:
        return pickle.load(file)


def test_a_pickle_is_refused_elsewhere(tmp_path):
    for way in WAYS:
        path = saved(tmp_path / "x", STATE, way)
        assert is_pickle(path)
        with pytest.raises(CheckpointError, match="saymask convert"):
            refuse_pickle(path)
    plain = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(1)}, plain)
    assert not is_pickle(plain)
    refuse_pickle(plain)
