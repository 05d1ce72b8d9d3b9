"""A service on a free port of this machine, and small scans for it."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from saymask.io.beside import only_below
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.io.read_apart import Facts
from saymask.models.base import Model
from saymask.server.app import create_app
from saymask.server.client import Client
from saymask.server.front import Access
from saymask.server.limits import Limits
from saymask.server.logs import JsonLines
from saymask.server.service import Service
from saymask.server.store import Store


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    url: str
    client: Client
    service: Service
    messages: list[str]
    """Remarks of the store."""


@contextmanager
def running(
    model: Model,
    folder: Path,
    *,
    root: Path | None = None,
    host: str = "127.0.0.1",
    token: str = "",
    origins: tuple[str, ...] = (),
    **limits: int,
) -> Iterator[Running]:
    """Serve a model inside the block; `host` is the address that the service believes to listen on."""
    messages: list[str] = []
    bounds = Limits(**limits)
    service = Service(model, Store(folder, root, most=bounds.scans, log=messages.append), bounds)
    app = create_app(service, Access(host, token, origins))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            with Client(url, token=token, timeout=120) as client:
                yield Running(url, client, service, messages)
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def read_here(path: Path, *, below: Path, unit: str | None, up: str | None, **limits: float) -> Facts:
    """Read a scan as `read_apart` does, in this process, which takes no second to start."""
    with only_below(below):
        return Facts.of(load_scan(path, unit=unit, up=up, quiet=True))


def write_cloud(path: Path, seed: int = 0, n: int = 3000) -> Path:
    """Write a small room as a PLY cloud: a floor and some boxes."""
    from tests.models.fakes import small_scan

    scan = small_scan(seed, n)
    columns = {axis: scan.points[:, i].astype("<f4") for i, axis in enumerate("xyz")}
    columns |= {name: scan.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    write_ply(path, columns)
    return path


def same(answer, masks) -> None:
    """Compare an answer of the service with the library's, whole and mask by mask."""
    assert answer.model_dump(exclude_none=True) == masks.to_dict()
    for i in range(len(masks)):
        np.testing.assert_array_equal(answer.bits(i), masks.original(i))


@contextmanager
def logged(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the lines that are logged inside the block; wait for `count` of them, which come after the answers."""
    lines: list[dict[str, Any]] = []
    handler, logger = logging.Handler(), logging.getLogger("saymask.server")
    form = JsonLines()
    handler.emit = lambda record: lines.append(json.loads(form.format(record)))  # type: ignore[method-assign]
    logger.addHandler(handler)
    old = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield lines
        for _ in range(1000):
            if len(lines) >= count:
                break
            time.sleep(0.01)
        assert len(lines) == count
    finally:
        logger.removeHandler(handler)
        logger.setLevel(old)
