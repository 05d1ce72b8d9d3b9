"""Devices of torch, by the names that users give them."""

import difflib
import re
from typing import TYPE_CHECKING

from saymask.errors import InputError

if TYPE_CHECKING:
    import torch


def check_device(name: str) -> str:
    """Return the name of a device if it is one by its form; InputError, before torch is loaded, for anything else."""
    if not re.fullmatch(r"(auto|cpu|mps)|(cuda|xpu|hpu|npu)(:\d{1,3})?|cpu:0", name):
        near = difflib.get_close_matches(name, ("auto", "cpu", "cuda"), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"cannot use device {name!r}{hint}; use auto, cpu, or cuda where there is one")
    return name


def device_named(name: str) -> "torch.device":
    """Return the device `name`, `auto` being CUDA where there is one; InputError for a device that cannot be used."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot use device {name!r} ({reason}); use auto, cpu, or cuda where there is one") from None
    return device
