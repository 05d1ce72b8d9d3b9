"""Running a service: a model, a folder, a socket; and an end that finishes what it has begun."""

import contextlib
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from saymask.errors import InputError

try:
    import uvicorn
    from starlette.types import ASGIApp

    from saymask.server.app import create_app
except ImportError as error:
    raise InputError(f"serving needs {error.name}; install it with: pip install 'saymask[serve]'") from None
from saymask.models.base import Model
from saymask.server import logs
from saymask.server.front import Access
from saymask.server.limits import Limits
from saymask.server.service import Service
from saymask.server.store import Store
from saymask.util.access import address, is_loopback, new_token
from saymask.util.locks import hold_folder
from saymask.util.temporaries import temporary_folder

PATIENCE = 30
"""Seconds that requests have to end when the server is told to stop."""


@dataclass(frozen=True)
class Place:
    """Addresses and folders of a service."""

    host: str = "127.0.0.1"
    port: int = 8000
    """Port; 0 = any that is free."""
    root: Path | None = None
    """Folder below which scans are loaded by their path; none without it."""
    data: Path | None = None
    """Folder that keeps the list of scans and the uploads; a temporary one without it."""
    token: str = ""
    """Asked for where it is given; made where other machines reach the server."""
    origins: Sequence[str] = ()
    """Origins of pages in browsers that may ask, such as https://example.org."""


def serve(load: Callable[[], Model], place: Place, limits: Limits) -> None:
    """Answer until SIGINT or SIGTERM.

    Raises InputError for an address or a folder that cannot be used, before the model is loaded.
    """
    token = place.token or ("" if is_loopback(place.host) else new_token())
    with _folder(place.data) as folder, _socket(place.host, place.port) as listening:
        model = load()
        logs.begin()
        store = Store(folder, place.root, most=limits.scans, log=lambda line: logs.log(line, level=logging.WARNING))
        app = create_app(Service(model, store, limits), Access(place.host, token, tuple(place.origins)))
        url = address(place.host, listening.getsockname()[1])
        if not is_loopback(place.host):
            print(f"warning: others can reach this server over {place.host}; they need its token", file=sys.stderr)
        if token and not place.token:
            print(f"token: {token}", flush=True)
        print(f"serving {model.title} at {url}   (Ctrl-C ends it)", flush=True)
        logs.log("started", url=url, model=model.title, scans=len(store.all()))
        run(app, listening)
        logs.log("stopped")


def run(app: ASGIApp, listening: socket.socket) -> None:
    """Answer on a socket until SIGINT or SIGTERM; requests that have begun are finished."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=PATIENCE,
        lifespan="on", ws="none", proxy_headers=False,
    )  # fmt: skip
    old = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run([listening])  # raises the signal again when all is done
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Yield the folder of scans, held by this process alone."""
    if data is None:
        with temporary_folder() as folder:
            yield folder
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        raise InputError(f"--data: {data} cannot be written ({error.strerror or error}); choose another") from None
    with hold_folder(data, f"--data: another server uses {data}; stop it, or choose another folder"):
        yield data


@contextlib.contextmanager
def _socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise InputError(f"--host: expected an address of this machine such as 127.0.0.1, got {host!r}") from None
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(where)
        except OSError as error:
            raise InputError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; choose another --port or --host"
            ) from None
        yield listening
