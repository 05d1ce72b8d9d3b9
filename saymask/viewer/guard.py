"""Guard of the page's server: lets in browsers on this machine, or those that were given its token.

Any page that a browser has open may open a connection to a server on the same machine, so every request must name this
server as the one it wants (`Host`: a foreign name that leads here is refused), and a connection must come from the
server's own page (`Origin`). Off the loopback address a token is asked for as well.
"""

import http.cookies
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from saymask.util.access import LOOPBACK, address, host_name, is_loopback, new_token, same_token

HERE = Path(__file__).parent
Handler = Callable[[object, Request], Response | None]


@dataclass(frozen=True)
class Guard:
    """Decides over every request to a server that listens on `host`."""

    host: str
    token: str = field(default_factory=new_token)
    """Asked for unless the server is reached from this machine only."""

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return is_loopback(self.host)

    def url(self, port: int) -> str:
        """Return the address of the page."""
        return address(self.host, port) + ("" if self.open else f"?token={self.token}")

    def refusal(self, path: str, headers: Headers) -> HTTPStatus | None:
        """Return why a request is refused, None for one that is answered."""
        for name in ("Host", "Origin", "Cookie"):
            if len(headers.get_all(name)) > 1:
                return HTTPStatus.BAD_REQUEST
        wanted = headers.get("Host", "")
        if self.open and host_name(wanted) not in LOOPBACK:
            return HTTPStatus.MISDIRECTED_REQUEST
        if is_websocket(headers) and urlsplit(headers.get("Origin", "")).netloc.lower() != wanted.lower():
            return HTTPStatus.FORBIDDEN
        if not self.open and not self._knows_token(path, headers):
            return HTTPStatus.FORBIDDEN
        return None

    def _knows_token(self, path: str, headers: Headers) -> bool:
        given = parse_qs(urlsplit(path).query).get("token", [])
        try:
            cookie = http.cookies.SimpleCookie(headers.get("Cookie", "")).get("saymask_token")
        except http.cookies.CookieError:
            cookie = None
        given += [cookie.value] if cookie is not None else []
        return any(same_token(g, self.token) for g in given)

    def around(self, inner: Handler | None) -> Handler:
        """Return viser's handler of HTTP requests with the guard before it and saymask's page in place of its own."""

        def handle(connection: object, request: Request) -> Response | None:
            refused = self.refusal(request.path, request.headers)
            if refused is not None:
                return _response(refused, f"{refused.value} {refused.phrase}\n".encode(), "text/plain; charset=utf-8")
            if is_websocket(request.headers):
                return None if inner is None else inner(connection, request)
            if urlsplit(request.path).path not in ("/", "/index.html"):
                return _response(HTTPStatus.NOT_FOUND, b"404 Not Found\n", "text/plain; charset=utf-8")
            answer = _response(HTTPStatus.OK, page(), "text/html; charset=utf-8")
            socket = f"ws://{request.headers.get('Host', '')}"
            answer.headers["Content-Security-Policy"] = (
                "default-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' data: blob:; "
                f"connect-src 'self' {socket} data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'"
            )
            if not self.open:
                answer.headers["Set-Cookie"] = f"saymask_token={self.token}; Path=/; HttpOnly; SameSite=Strict"
            return answer

        return handle


def is_websocket(headers: Headers) -> bool:
    """Say whether a request opens a connection."""
    return headers.get("Upgrade", "").lower() == "websocket"


def _response(status: HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers()
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def page() -> bytes:
    """Return viser's page with saymask's title, style and script."""
    import viser

    text = (Path(str(viser.__file__)).parent / "client" / "build" / "index.html").read_text(encoding="utf-8")
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    own = f"<style>{style}</style><script>{script}</script>"
    text = text.replace("<title>Viser</title>", "<title>saymask</title>", 1)
    return text.replace("</head>", own + "</head>", 1).encode()
