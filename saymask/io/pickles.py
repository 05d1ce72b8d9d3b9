"""Pickles and PyTorch files of others, read without running their code: tensors, arrays, numbers, text, containers.

Three formats are told apart by what is in the file: PyTorch's zip archive, its format before that (several pickles, the
first of which is a magic number), and a bare pickle. One allow-list holds for all of them.
"""

import contextlib
import io
import math
import pickle
import pickletools
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._utils import _rebuild_tensor, _rebuild_tensor_v2

from saymask.errors import CheckpointError, InputError

_PLAIN = {"list", "dict", "set", "frozenset", "tuple", "int", "float"}
_ALLOWED = {
    "builtins": _PLAIN,
    "__builtin__": _PLAIN,
    "collections": {"OrderedDict", "defaultdict"},
    "torch._utils": {"_rebuild_parameter"},
    "torch": {"Size", "device"},
}
"""What a file may name besides data types, storages and the stand-ins below."""
_SCALARS = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_SUFFIXES = {".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin"}
_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
"""First number in a PyTorch file of the format before zip archives."""
_LARGEST = 8 * 2**30
_REPEATED = 50_000_000
"""Numbers of a tensor that may stand for fewer in the file."""
_NUMBER = re.compile(r"[biuf][0-9]{1,2}")
"""How NumPy writes a type of plain numbers."""


class Ignored:
    """Stands for an object of a class that is not allowed: takes whatever the file says about it and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take a list item and do nothing with it."""

    def extend(self, values: Any) -> None:
        """Take list items and do nothing with them."""


class NumberType:
    """Stands for `numpy.dtype`: only a number's kind, width and byte order are taken from a file."""

    def __init__(self, code: Any, *ignored: Any) -> None:
        self.code = code
        self.dtype = np.dtype(code) if isinstance(code, str) and _NUMBER.fullmatch(code) else None

    def __setstate__(self, state: Any) -> None:
        if self.dtype is not None and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Numbers(np.ndarray):
    """An array whose content a file gives; NumPy sees no state that is not plain numbers of the right size."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        plain, sizes = _checked(data, dtype, shape)
        super().__setstate__((1, sizes, plain, bool(fortran), bytes(data)))  # pyright: ignore[reportArgumentType]


def _checked(data: Any, dtype: Any, shape: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return type and shape of an array; InputError unless `data` is the bytes of such an array of plain numbers."""
    plain = dtype.dtype if isinstance(dtype, NumberType) else None
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if plain is None or not isinstance(data, bytes | bytearray) or not all(type(n) is int and n >= 0 for n in sizes):
        raise InputError(f"expected arrays of numbers, got a NumPy array of type {_code(dtype)}, which is refused")
    if len(data) != math.prod(sizes) * plain.itemsize:
        raise InputError(f"expected an array {list(sizes)} of {plain}, got {len(data):,} bytes")
    return plain, sizes


def _code(dtype: Any) -> str:
    return str(dtype.code if isinstance(dtype, NumberType) else type(dtype).__name__)[:40]


def read_pickle(path: str | Path) -> Any:
    """Return the content of a pickle or PyTorch file: tensors (on the CPU), arrays, numbers, text, containers of them.

    Raises InputError for a file that is missing, damaged, or names any other class or function.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path")
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path}: expected a file of features or weights, got {path.stat().st_size / 2**30:.0f} GiB")
    try:
        return _content(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything while it is read
        raise InputError(
            f"{path}: expected a pickle of tensors and numbers ({_reason(error)}); download it again"
        ) from error


def read_foreign(path: str | Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the content of a `.pth`, `.pt` or `.ckpt` file and the classes in it that were not allowed.

    Only tensors, numbers and containers come to life; an object of any other class becomes an `Ignored`, no code of the
    file runs. Raises CheckpointError for a file that is missing, cut off, or no dictionary.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint file {path}; check the path")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty; expected a .pth, .pt or .ckpt file")
    refused: set[str] = set()
    try:
        content = _content(path, refused)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    except Exception as error:  # a damaged file can raise nearly anything while it is read
        raise CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint ({_reason(error)}); download it again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a dictionary of tensors, got {type(content).__name__}")
    return content, tuple(sorted(refused))


def state_dict_of(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint: its entry with a usual name, else itself; without `module.`."""
    for name in ("model_state_dict", "state_dict", "model", "net"):
        if isinstance(content.get(name), dict):
            content = content[name]
            break
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError(f"no tensors in the checkpoint; its entries are {', '.join(map(str, list(content)[:8]))}")
    return {key.removeprefix("module."): value for key, value in state.items()}


def is_pickle(path: str | Path) -> bool:
    """Say whether a file is (or is named like) a pickle or PyTorch's zip of pickles, by its first bytes."""
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(4)
    return head == _ZIP or (head[:1] == b"\x80" and head[1:2] <= b"\x05") or path.suffix in _SUFFIXES


def refuse_pickle(path: str | Path) -> None:
    """Raise CheckpointError, naming `saymask convert`, when `path` is a pickle."""
    if is_pickle(path):
        raise CheckpointError(
            f"{path} is a pickle, which can run any code when it is loaded, so it is refused; turn an official "
            "checkpoint into a safe one with `saymask convert`"
        )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _content(path: Path, ignored: set[str] | None = None) -> Any:
    """Return what is in a file of any of the three formats.

    Without `ignored` InputError is raised for a name that is not allowed; else the names are added to it and their
    objects become `Ignored`.
    """
    reader = _reader(ignored)
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            file.seek(0)
            content = reader.load(file)
            if type(content) is not int or content != _MAGIC:
                return content
    if tarfile.is_tarfile(path):  # PyTorch would unpack it, as it did in its first year
        raise CheckpointError("is a tar archive, not a checkpoint; expected a saved state dict")
    return _torch_file(path, reader)


def _reader(ignored: set[str] | None) -> SimpleNamespace:
    """Return what torch.load takes as `pickle_module`: an unpickler that knows the allow-list and nothing else."""

    def refuse(what: str, message: str) -> type[Ignored]:
        if ignored is None:
            raise InputError(message)
        ignored.add(what)
        return type(what.rpartition(".")[2], (Ignored,), {})

    def storage(data: bytes) -> Any:
        """Stands for torch.storage._load_from_bytes, which would load the inner file without an allow-list."""
        return _torch_file(io.BytesIO(data), reader)

    def scalar(dtype: Any, data: Any = None) -> Any:
        """Stands for NumPy's maker of scalars, for numbers only."""
        plain = dtype.dtype if isinstance(dtype, NumberType) else None
        if plain is None or not isinstance(data, bytes) or len(data) != plain.itemsize:
            return refuse("numpy.scalar", f"expected a number, got a NumPy scalar of type {_code(dtype)}")()
        return np.frombuffer(data, plain)[0]

    def encode(text: str, encoding: str) -> Any:
        """Stands for _codecs.encode, which old pickles use to write bytes."""
        if encoding != "latin1":
            return refuse("_codecs.encode", f"expected bytes written as latin1, got {encoding!r}")()
        return text.encode("latin1")

    def empty(*_: Any) -> np.ndarray:
        """Stands for NumPy's maker of arrays, whose content comes afterwards."""
        return np.ndarray.__new__(Numbers, (0,), np.int8)

    def filled(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
        """Stands for NumPy's maker of arrays in the newest pickles."""
        plain, sizes = _checked(data, dtype, shape)
        return np.frombuffer(data, plain).reshape(sizes, order="F" if order == "F" else "C")

    def whole(function: Callable[..., Any]) -> Callable[..., Any]:
        """Stands for one of PyTorch's makers of tensors, for those that are not far larger than the file."""

        def rebuild(storage: Any, offset: Any, size: Any, *rest: Any) -> Any:
            tensor = function(storage, offset, size, *rest)
            if tensor.numel() > _REPEATED and tensor.nbytes > tensor.untyped_storage().nbytes():
                raise InputError(f"expected the numbers of a tensor {list(tensor.shape)}, got a few that repeat")
            return tensor

        return rebuild

    stand_ins: dict[tuple[str, str], Any] = {
        ("torch.storage", "_load_from_bytes"): storage,
        ("_codecs", "encode"): encode,
        ("torch._utils", "_rebuild_tensor"): whole(_rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): whole(_rebuild_tensor_v2),
        ("numpy", "dtype"): NumberType,
        ("__builtin__", "bytes"): lambda: b"",  # how old pickles write no bytes
    }
    stand_ins |= {(module, "scalar"): scalar for module in _SCALARS}
    if ignored is None:  # no weight of a checkpoint is an array
        stand_ins |= {(module, "_reconstruct"): empty for module in _SCALARS}
        stand_ins |= {(module, "_frombuffer"): filled for module in _NUMERIC}
        stand_ins["numpy", "ndarray"] = Numbers.__name__  # only ever an argument of `_reconstruct`

    class Unpickler(pickle.Unpickler):
        def __init__(self, file: Any, **options: Any) -> None:
            super().__init__(file, **options)
            _check_memo(file)

        def find_class(self, module: str, name: str, /) -> Any:
            if (module, name) in stand_ins:
                return stand_ins[module, name]
            if name in _ALLOWED.get(module, ()) or (module == "torch" and _is_dtype(name)):
                return super().find_class(module, name)
            full = f"{module}.{name}"
            return refuse(
                full, f"expected tensors, numbers and containers, got {full}, which could run any code and is refused"
            )

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    reader = SimpleNamespace(Unpickler=Unpickler, load=load, __name__=__name__)
    return reader


def _check_memo(file: Any) -> None:
    """Raise InputError where the pickle that begins here numbers an object far beyond what the file can hold.

    The unpickler reserves memory for all numbers up to it. Whatever else is wrong it says itself.
    """
    start = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(start)
    highest = 0
    with contextlib.suppress(ValueError):  # what pickletools raises for damage
        for operation, number, _ in pickletools.genops(file):
            if operation.name in ("PUT", "LONG_BINPUT") and isinstance(number, int):
                highest = max(highest, number)
    file.seek(start)
    if highest > size:
        raise InputError(f"expected at most {size:,} numbered objects in {size:,} bytes, got number {highest:,}")


def _torch_file(file: Path | io.BytesIO, reader: SimpleNamespace) -> Any:
    """Return the content of a file that torch.save wrote, in either of its formats."""
    with file.open("rb") if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
        zipped = opened.read(len(_ZIP)) == _ZIP
        size = opened.seek(0, io.SEEK_END)
    if zipped:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > 2 * size + 2**20:  # PyTorch stores its archives without compression
                raise CheckpointError(f"unpacks to {unpacked:,} bytes; expected the size of the file, {size:,}")
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise CheckpointError("is a TorchScript program, not a checkpoint; expected a saved state dict")
    if isinstance(file, io.BytesIO):
        file.seek(0)
    return torch.load(file, map_location="cpu", pickle_module=reader, weights_only=False)


def _is_dtype(name: str) -> bool:
    return isinstance(getattr(torch, name, None), torch.dtype)
