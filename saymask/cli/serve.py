"""The command that answers over HTTP."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from saymask.cli.preferences import preferences
from saymask.errors import InputError
from saymask.server.limits import Limits
from saymask.util.access import check_port
from saymask.util.devices import check_device

if TYPE_CHECKING:
    from saymask.models.base import Model

TOKEN = "SAYMASK_TOKEN"  # noqa: S105 - the name of a variable
"""Name of the environment variable with the token: a flag could be read in the list of processes."""
# An empty name: the fields become flags of the command itself, without a prefix.
Limited = Annotated[Limits, tyro.conf.arg(name="")]


def serve(
    limits: Limited,
    *,
    root: Path | None = None,
    data: Path | None = None,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    origins: tuple[str, ...] = (),
    device: str = "auto",
) -> int:
    """Answer over HTTP: load scans, say sentences, click; masks as JSON, files or pictures.

    Args:
        root: Folder below which scans may be loaded by their path; without it they can only be sent.
        data: Folder that keeps the list of scans and what was sent, also over a restart; without it a temporary one,
            removed at exit.
        model: Name or path of a checkpoint; without it the embedded one that answers everything.
        host: Address to listen on. Any other than this machine's own lets others ask: they need a token, that of
            $SAYMASK_TOKEN, or one that is made and printed.
        port: Port; 0 = any that is free.
        origins: Pages of other servers, such as https://example.org, that may ask from a browser.
        device: auto, cpu, cuda, cuda:1, …
    """
    liked = preferences()
    device = liked.device_or(device)
    check_device(device)
    check_port(port)
    limits.check()
    for origin in origins:
        if not re.fullmatch(r"https?://[^/@?#\s]+", origin):
            raise InputError(f"--origins: expected pages' servers such as https://example.org, got {origin!r}")
    if root is not None and not root.is_dir():
        raise InputError(f"--root: expected a folder with scans, got {root}; check the path")
    from saymask.hub.headers import DEFAULT, find_checkpoint

    model = model or liked.model or DEFAULT
    find_checkpoint(model)
    from saymask.hub.checkpoints import load_model
    from saymask.server.run import Place, serve

    def load() -> "Model":
        loaded = load_model(model, device=device, text_encoder=liked.text_encoder)
        for verb in loaded.verbs:
            loaded.get_ready(verb)
        return loaded

    serve(load, Place(host, port, root, data, os.environ.get(TOKEN, ""), origins), limits)
    return 0
