"""Bytes that objects hold in arrays and tensors."""

import sys
from typing import Any

import numpy as np
import torch
from torch import nn


def held_bytes(*things: Any) -> int:
    """Return the bytes of all arrays and tensors that are reached from `things`, memory that is shared counted once.

    Models (`nn.Module`) are left out: they belong to nobody alone. Only attributes, and items of plain collections, are
    looked at, so that other threads may use the objects meanwhile.
    """
    seen: set[int] = set()
    memory: dict[tuple[str, int], int] = {}
    waiting: list[Any] = list(things)
    spatial = sys.modules.get("scipy.spatial")  # without it there is no tree, and it takes long to load
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, nn.Module | type | str | bytes | int | float):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            owner = thing
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            memory["array", owner.__array_interface__["data"][0]] = owner.nbytes
        elif isinstance(thing, torch.Tensor):
            storage = thing.untyped_storage()
            memory[str(thing.device), storage.data_ptr()] = storage.nbytes()
        elif spatial is not None and isinstance(thing, spatial.KDTree):
            waiting += [thing.data, thing.indices]
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        else:
            waiting += getattr(thing, "__dict__", {}).values()
            names = (name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()))
            waiting += [getattr(thing, name, None) for name in names]
    return sum(memory.values())
