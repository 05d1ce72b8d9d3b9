"""Parity with the official code: `python -m tests.parity SYSTEM DIR [--only TYPE]` checks every golden case in DIR.

`--device cuda` gives networks, losses and answers of tensors to a GPU; cases of arrays and text stay as they are.

A case module `tests/parity/<system>_<topic>.py` registers a function per case type with `@case`. The function gets the
loaded file and yields one `Check` per compared array.
"""

import importlib
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.sparse import inference_precision

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
SYSTEMS = ("less", "bqnet", "lground", "uniseg3d")


@dataclass(frozen=True)
class Check:
    """One array compared: |got - expected| <= atol + rtol * |expected| everywhere (exact when both are 0)."""

    name: str
    got: Any
    expected: Any
    atol: float = 0.0
    rtol: float = 0.0

    def error(self) -> tuple[float, bool]:
        """Return (largest absolute difference, within tolerance); shapes must agree, NaN equals NaN."""
        difference, allowed = self.differences()
        return float(difference.max(initial=0)), bool((difference <= allowed).all())

    def share(self) -> float:
        """Return the largest difference as a share of what is allowed: at most 1 within tolerance, exact arrays 0."""
        difference, allowed = self.differences()
        with np.errstate(divide="ignore"):
            shares = np.divide(difference, allowed, out=np.zeros_like(difference), where=difference > 0)
        return float(shares.max(initial=0))

    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (absolute difference, what is allowed) of each element; infinite where shapes or words differ."""
        got, expected = as_array(self.got), as_array(self.expected)
        other = np.array([np.inf]), np.array([0.0])
        if got.shape != expected.shape:
            return other
        if got.dtype.kind in "US" or expected.dtype.kind in "US":
            return (np.zeros(1), np.zeros(1)) if bool((got == expected).all()) else other
        got, expected = got.astype(np.float64), expected.astype(np.float64)
        same_special = (np.isnan(got) & np.isnan(expected)) | (got == expected)
        difference = np.where(same_special, 0.0, np.abs(got - expected))
        difference = np.where(np.isnan(difference), np.inf, difference)
        return difference, self.atol + self.rtol * np.where(np.isfinite(expected), np.abs(expected), 0.0)


DEVICE: ContextVar[str] = ContextVar("device of the golden cases", default="cpu")


def placed(thing: Any) -> Any:
    """Return an array or list as a tensor, a tensor, batch or module as it is, on the device of this run."""
    if isinstance(thing, np.ndarray | np.generic | list):
        thing = torch.from_numpy(np.asarray(thing, order="C"))
    return thing.to(DEVICE.get())


def as_array(value: Any) -> np.ndarray:
    """Return a tensor, array or list as an array on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    return np.asarray(value)


Case = Callable[[dict[str, Any], Path], Iterator[Check]]
_CASES: dict[tuple[str, str], Case] = {}


def case(system: str, *types: str) -> Callable[[Case], Case]:
    """Register the function that checks the case files of `types` of `system`."""

    def register(function: Case) -> Case:
        for name in types:
            _CASES[system, name] = function
        return function

    return register


def case_type(path: Path) -> str:
    """Return the case type of a golden file: its stem without the letter that names the inputs (`pwca_A` → `pwca`)."""
    return re.sub(r"_[A-Za-z](?=_|$)", "", path.stem, count=1)


def load(path: Path) -> dict[str, Any]:
    """Return the arrays of a `.npz` or the content of a `.json` (under `json` when it is not an object)."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {"json": content}


def fill_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the golden cases' deterministic value of the tensor `name` (the rule of `golden/fill.py`)."""
    import zlib

    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(size=shape).astype(np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return 1.0 + 0.1 * np.abs(z)
    if len(shape) <= 1:
        return 1.0 + 0.1 * z if leaf == "weight" else 0.1 * z
    return z / np.sqrt(max(1, z.size // shape[0])).astype(np.float32)


def fill_state(shapes: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return golden weights for official key → shape; integer buffers (`num_batches_tracked`) are 0."""
    return {
        name: torch.zeros((), dtype=torch.int64)
        if name.endswith("num_batches_tracked")
        else torch.from_numpy(np.ascontiguousarray(fill_tensor(name, tuple(shape))))
        for name, shape in shapes.items()
        if isinstance(shape, list | tuple)
    }


def known_cases(system: str) -> dict[str, Case]:
    """Import the case modules of `system` and return case type → function."""
    for module in sorted(HERE.glob(f"{system}_*.py")):
        importlib.import_module(f"tests.parity.{module.stem}")
    return {name: function for (owner, name), function in _CASES.items() if owner == system}


def run(
    system: str, folder: Path, only: str | tuple[str, ...] | None = None, *, device: str = "cpu"
) -> Iterator[tuple[str, Check, float, bool]]:
    """Yield (file, check, largest error, ok) for every case file in `folder` whose type begins with (one of) `only`.

    A file that is unknown, or whose case raises, is a failed check.
    """
    cases = known_cases(system)
    before = DEVICE.set(device)
    try:
        for path in sorted(p for p in folder.iterdir() if p.suffix in {".npz", ".json"}):
            kind = case_type(path)
            if only is not None and not kind.startswith(only):
                continue
            if kind not in cases:
                yield path.name, Check("unknown case type", np.nan, 0.0), float("inf"), False
                continue
            seen = False
            for check in _checks(cases[kind], path):
                seen = True
                yield path.name, check, *check.error()
            if not seen:
                yield path.name, Check("nothing was compared", np.nan, 0.0), float("inf"), False
    finally:
        DEVICE.reset(before)


def _checks(case: Case, path: Path) -> Iterator[Check]:
    try:
        yield from case(load(path), path)
    except Exception as error:  # the other files can still be checked
        traceback.print_exc()
        yield Check(f"{type(error).__name__}: {error}", np.nan, 0.0)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 when every check passed."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="check only the case types that begin with this")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where networks and losses run")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    count = failed = 0
    with inference_precision("fp32"):  # the cases of bfloat16 ask for it
        for file, check, error, ok in run(options.system, options.folder, options.only, device=options.device):
            count, failed = count + 1, failed + (not ok)
            print(f"{file}  {check.name}  {error:.3g}  {check.atol:g}+{check.rtol:g}*|x|  {'ok' if ok else 'FAILED'}")
    print(f"{count - failed} passed, {failed} failed")
    if count == 0:
        print(f"no case file of {options.system} in {options.folder}", file=sys.stderr)
    return 1 if failed or count == 0 else 0
