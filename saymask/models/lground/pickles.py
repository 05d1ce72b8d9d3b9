"""Read the official feature files (`feature_data/*.pkl`): tensors, numbers and containers, without running their code.

They are plain pickles or PyTorch files that may hold a bare tensor, which `saymask.convert.read_foreign`, made for
checkpoints, does not read.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.errors import InputError

_ALLOWED = {
    "collections": {"OrderedDict", "defaultdict"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch": {"Size"},
    "numpy": {"dtype"},
}
_MAGIC = 0x1950A86A20F9469CFC6C
"""First number in a PyTorch file of the format before zip archives."""
_LARGEST = 8 * 2**30


def read_pickle(path: str | Path) -> Any:
    """Return the content of a pickle or PyTorch file: tensors (on the CPU), numbers, text and containers of them.

    Raises InputError for a file that is missing, damaged, or names any other class or function.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path")
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path}: expected a file of features or weights, got {path.stat().st_size / 2**30:.0f} GiB")
    try:
        if zipfile.is_zipfile(path):
            return torch.load(path, map_location="cpu", weights_only=True)
        with path.open("rb") as file:
            content = _Unpickler(file).load()
        if isinstance(content, int) and content == _MAGIC:
            return torch.load(path, map_location="cpu", weights_only=True)
        return content
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything while it is read
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: expected a pickle of tensors and numbers ({reason}); download it again") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if module == "torch.storage" and name == "_load_from_bytes":
            return _storage
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return _scalar
        if module == "_codecs" and name == "encode":
            return _latin1
        if name in _ALLOWED.get(module, ()):
            return super().find_class(module, name)
        raise InputError(
            f"expected tensors, numbers and containers, got {module}.{name}, which could run any code and is refused"
        )


def _storage(data: bytes) -> Any:
    """Stands for torch.storage._load_from_bytes, which would load the inner file without an allow-list."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    """Stands for NumPy's maker of scalars, for numbers only."""
    if dtype.kind not in "biuf" or len(data) != dtype.itemsize:
        raise InputError(f"expected a number, got a NumPy scalar of type {dtype}")
    return np.frombuffer(data, dtype)[0]


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for _codecs.encode, which old pickles use to write bytes."""
    if encoding != "latin1":
        raise InputError(f"expected bytes written as latin1, got {encoding!r}")
    return text.encode("latin1")
