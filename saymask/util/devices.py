"""Devices of torch, by the names that users give them."""

from typing import TYPE_CHECKING

from saymask.errors import InputError

if TYPE_CHECKING:
    import torch


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
