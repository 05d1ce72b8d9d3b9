"""Where a program waits for the device: `python -m tests.waits` lists the places in saymask on the way of a model.

A GPU is not needed: calls that bring a number or an array to the host, or whose result has a size that depends on
values, are recorded wherever the tensors are. Work on arrays that are on the host anyway counts too, so these are upper
bounds; files whose arrays are always there (the CPU backend, the handling of text) do not count.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

METHODS = ("numpy", "cpu", "tolist", "__array__", "item", "nonzero", "__bool__", "__int__", "__float__")
HOST = ("sparse/backends/cpu/", "text/")
OPERATIONS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
}
NAMES = ("less.rooms", "bqnet.rooms", "lground.rooms-ce", "uniseg3d.rooms")


class Waits(TorchDispatchMode):
    """Record the waits inside a `with` block: `places` counts (file:line, what)."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[tuple[str, str]] = Counter()
        self._patches = ExitStack()
        self._inside = False

    def _record(self, what: str) -> None:
        frame = sys._getframe(2)
        while frame is not None and "/saymask/" not in frame.f_code.co_filename.replace("\\", "/"):
            frame = frame.f_back
        if frame is not None:
            file = frame.f_code.co_filename.replace("\\", "/").rpartition("/saymask/")[2]
            if not file.startswith(HOST):
                self.places[f"{file}:{frame.f_lineno}", what] += 1

    def _recording(self, name: str) -> Callable:
        original = getattr(torch.Tensor, name)

        def method(tensor: torch.Tensor, *args: object, **options: object) -> object:
            if self._inside:
                return original(tensor, *args, **options)
            self._record(name)
            self._inside = True  # what it is made of counts no more
            try:
                return original(tensor, *args, **options)
            finally:
                self._inside = False

        return method

    def __enter__(self) -> "Waits":
        for name in METHODS:
            self._patches.enter_context(patch.object(torch.Tensor, name, self._recording(name)))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._patches.close()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        sized = name == "repeat_interleave" and not (kwargs or {}).get("output_size")
        if not self._inside and (name in OPERATIONS or masks or sized):
            self._record(name)
        return func(*args, **(kwargs or {}))


def measure(name: str) -> dict[str, Counter[tuple[str, str]]]:
    """Return stage -> places of the waits of a tiny preset: encoding, every verb, a training step."""
    from tests.models.test_every_preset import TWO, answers, training_batch
    from tests.models.tiny_presets import tiny

    model, scan = tiny(name), TWO[0]
    stages: dict[str, Counter[tuple[str, str]]] = {}
    batch = model.collate([model.prepare(scan)])
    with Waits() as waits, torch.no_grad():
        model.encode_batch(batch)
    stages["encode"] = waits.places
    with Waits() as waits:
        answers(model, scan)
    stages["encode and all verbs"] = waits.places
    from saymask.hub import registry

    data = training_batch(model, registry.preset(name).train.source)
    model.train()
    with Waits() as waits:
        torch.stack(list(model.losses(data).values())).sum().backward()
    stages["training step"] = waits.places
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--backend", default="torch", help="torch, or triton with TRITON_INTERPRET=1")
    parser.add_argument("--places", action="store_true", help="list the places, not only their number")
    options = parser.parse_args()
    from saymask.sparse import use_backend

    for name in options.names:
        with use_backend(options.backend):
            for stage, places in measure(name).items():
                print(f"{name:18} {stage:22} {sum(places.values()):5}", flush=True)
                for (place, what), count in places.most_common() if options.places else ():
                    print(f"    {count:4} {what:20} {place}")


if __name__ == "__main__":
    main()
