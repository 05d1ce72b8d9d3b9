"""The server of the page: viser behind a guard, with a session of its own for every browser."""

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from saymask.errors import InputError

try:
    import viser
    import websockets.asyncio.server
except ImportError:
    raise InputError("the page needs viser; install it with: pip install 'saymask[view]'") from None
from saymask.util.access import check_host
from saymask.viewer.guard import Guard
from saymask.viewer.library import Library
from saymask.viewer.page import Page, Start
from saymask.viewer.uploads import Uploads

PORT = 8080
MOST_VISITORS = 16
"""Browsers at a time."""
_STARTING = threading.Lock()


class _Quiet(viser.ViserServer):
    """viser's server without its public tunnel, which a visitor could ask for."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Share nothing."""
        return None


class Server:
    """A running server; `url` is the address of its page."""

    def __init__(self, library: Library, start: Start, *, host: str = "127.0.0.1", port: int = PORT) -> None:
        """Listen on `host` and the first free port from `port` on (0 = any); raise InputError where that fails."""
        self.guard = Guard(host)
        self._uploads = Uploads()
        self._start = start if self.guard.open else replace(start, paths=False)
        self._library = library
        self._pages: dict[int, Page] = {}
        self.came, self.gone = threading.Event(), threading.Event()
        """Set once somebody has looked at the page, and while nobody does any more."""
        check_host(host)
        try:
            with _guarded(self.guard), contextlib.redirect_stdout(io.StringIO()):
                self._viser = _Quiet(host=host, port=port, label="saymask", verbose=False)
        except BaseException:
            self._uploads.close()
            raise
        self.port = self._viser.get_port()
        self.url = self.guard.url(self.port)
        self._viser.on_client_connect(self._come)
        self._viser.on_client_disconnect(self._go)

    def _come(self, client: "viser.ClientHandle") -> None:
        if len(self._pages) >= MOST_VISITORS:
            client.add_notification("Too many visitors", "Close another page of this server and load this one again.")
            return
        self.gone.clear()
        self.came.set()
        self._pages[client.client_id] = Page(client, self._library, self._uploads, self._start)

    def _go(self, client: "viser.ClientHandle") -> None:
        self._pages.pop(client.client_id, None)
        if not self._pages:
            self.gone.set()

    def stop(self) -> None:
        """Close all pages, and remove what was uploaded."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._viser.stop()
        self._uploads.close()


@contextlib.contextmanager
def _guarded(guard: Guard) -> Iterator[None]:
    """Let the server that is started inside the block ask the guard first.

    viser hands its handler of HTTP requests to `websockets.asyncio.server.serve` and offers no place for another.
    """
    plain = websockets.asyncio.server.serve

    def serve(*args: Any, **kwargs: Any) -> Any:
        return plain(*args, **{**kwargs, "process_request": guard.around(kwargs.get("process_request"))})

    with _STARTING:
        websockets.asyncio.server.serve = serve  # type: ignore[assignment,misc]
        try:
            yield
        finally:
            websockets.asyncio.server.serve = plain  # type: ignore[misc]
