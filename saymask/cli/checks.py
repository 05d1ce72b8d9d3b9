"""Mistakes in a command line that can be seen in names and paths, before torch or a model is loaded."""

from collections.abc import Sequence
from pathlib import Path

from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.util.files import check_writable

OTHER_PROTOCOLS = ("scannet200", "scannet", "plain")
"""Protocols beside those of sentences, `saymask.metrics.protocols.PROTOCOLS`."""


def check_training(arguments: Sequence[str]) -> str:
    """Return the name of the preset that `saymask train` shall train; the folders are looked at, too."""
    from saymask.hub.registry import check_preset

    name = check_preset(arguments[0])
    if {"-h", "--help"} & set(arguments):
        return name
    data, out = (_value(arguments, flag) for flag in ("--data", "--out"))
    if data is None or out is None:
        missing = " and ".join(flag for flag, value in (("--data", data), ("--out", out)) if value is None)
        raise InputError(f"train {name}: expected --data DATA --out RUN, got no {missing}")
    from saymask.data.scenes import read_manifest

    read_manifest(data)
    check_writable(Path(out) / "state.pt")
    return name


def _value(arguments: Sequence[str], flag: str) -> str | None:
    """Return what follows a flag, or stands after it and `=`; None where it does not appear."""
    for i, word in enumerate(arguments):
        if word == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return None


def check_evaluation(model: str, request: Request) -> None:
    """Raise InputError for options, folders, models and protocols that `saymask evaluate` cannot use."""
    from saymask.data.scenes import read_manifest
    from saymask.hub.headers import find_checkpoint
    from saymask.hub.registry import suggest
    from saymask.metrics.predictions import is_file_form
    from saymask.metrics.protocols import PROTOCOLS
    from saymask.util.devices import check_device

    request.check()
    check_device(request.device)
    known = tuple(dict.fromkeys(("3dres", *PROTOCOLS, *OTHER_PROTOCOLS)))  # the default first
    if request.protocol is not None and request.protocol not in known:
        hint = suggest(request.protocol, known)
        raise InputError(f"protocol: expected one of {', '.join(known)}, got {request.protocol!r}{hint}")
    splits = read_manifest(request.data).get("splits", {})
    if splits and request.split not in splits:
        raise InputError(f"{request.data}: expected a split of {', '.join(splits)}, got {request.split!r}")
    if is_file_form(model) and not Path(model).exists():
        raise InputError(f"{model}: there is no such file of predictions; check the path")
    if model != "default" and not Path(model).is_dir() and not is_file_form(model):
        find_checkpoint(model)
