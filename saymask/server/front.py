"""Front of a service: every request gets an id, is let in or refused, bounded in size, counted, and logged."""

import asyncio
import logging
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saymask.server.logs import log
from saymask.server.metrics import Metrics
from saymask.server.refusal import Refusal
from saymask.util.access import LOOPBACK, host_name, is_loopback, same_token

OPEN = ("/", "/health", "/openapi.json")
"""Addresses that tell nothing of scans, for which no token is asked."""
MOST_JSON = 2**20
"""Bytes of a request without a file."""
BODY_SECONDS = 30
"""Time within which the next part of a request must come."""
_LONGEST = 15  # digits of a length; Python reads no endless ones
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Access:
    """Rule of who is let in: callers on this machine where `host` is a loopback address, else those with the token."""

    host: str
    token: str = ""
    """Asked for where there is one."""
    origins: Collection[str] = ()
    """Pages of other servers, such as https://example.org, that may ask."""

    def check(self, path: str, headers: Headers) -> None:
        """Raise Refusal for a request that is not let in.

        A page that a browser has open may send requests to this machine, under a foreign name that leads here too.
        """
        for name in ("host", "origin", "authorization"):
            if len(headers.getlist(name)) > 1:
                raise Refusal(400, f"{name}: expected this header once, got it {len(headers.getlist(name))} times")
        host, origin = headers.get("host", ""), headers.get("origin")
        if is_loopback(self.host) and host_name(host) not in LOOPBACK:
            raise Refusal(421, f"Host: expected this machine (127.0.0.1 or localhost), got {host!r:.100}")
        if origin is not None and origin not in self.origins and urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal(403, f"Origin: the page {origin!r:.100} may not ask this server (see --origins)")
        if self.token and path not in OPEN:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not same_token(given.strip(), self.token):
                raise Refusal(401, "Authorization: expected 'Bearer TOKEN' with the token of this server")


class Front:
    """ASGI application around another one."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, *, most_upload: int, upload: str) -> None:
        """Let at most `most_upload` bytes through to the address `upload`, little to all others."""
        self._app, self._access, self._metrics = app, access, metrics
        self._most_upload, self._upload = most_upload, upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand what is none to the application."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        number = given if _ID.fullmatch(given) else uuid.uuid4().hex
        fields: dict[str, Any] = {}
        scope.setdefault("state", {}).update(request_id=number, fields=fields)
        start, status = perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(
                    {"X-Request-ID": number, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
                )
            await send(message)

        broken: Exception | None = None
        try:
            most = self._most_upload if scope["path"] == self._upload else MOST_JSON
            self._access.check(scope["path"], headers)
            await self._app(scope, _Bounded(receive, most, headers).receive, sending)
        except Refusal as refusal:
            await error_response(refusal.status, str(refusal), number)(scope, receive, sending)
        except HTTPException as refusal:
            await error_response(refusal.status_code, refusal.detail, number)(scope, receive, sending)
        except Exception as error:  # the application has answered with 500 and lets it be known
            broken = error
        finally:
            seconds = perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(_method(scope), route, status, seconds)
            client = (scope.get("client") or ("",))[0]
            level = logging.ERROR if broken is not None else logging.INFO
            log(
                "request", level=level, exc_info=broken, request_id=number, method=scope["method"],
                path=scope["path"], status=status, seconds=round(seconds, 4), client=client, **fields,
            )  # fmt: skip


class _Bounded:
    """Body of a request that may not be larger, or come more slowly, than allowed."""

    def __init__(self, receive: Receive, most: int, headers: Headers) -> None:
        self._receive, self._left, self._most = receive, most, most
        self._whole = False
        length = headers.get("content-length", "")
        if len(length) > _LONGEST or (length.isascii() and length.isdigit() and int(length) > most):
            raise self._too_large()

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"request: expected at most {self._most / 2**20:g} MB, got more")

    async def receive(self) -> Message:
        """Return the next part."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), BODY_SECONDS)
        except TimeoutError:
            raise HTTPException(408, f"request: nothing came for {BODY_SECONDS} s; send it again") from None
        self._left -= len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._left < 0:
            raise self._too_large()
        return message


def error_response(status: int, message: str, request_id: str, *, retry_after: int | None = None) -> JSONResponse:
    """Return an error in words."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse({"error": message, "request_id": request_id}, status, headers)


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
    return scope["method"] if scope["method"] in known else "OTHER"  # a label: anybody could make up more
