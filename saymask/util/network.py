"""Whether a server can be reached, known within seconds, and one file from the network that survives interruptions.

A download is kept in `<file>.part` until it is whole, goes on where it was cut off (also in another run), and takes its
place only when its size and hash are right. Proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`, …) are honoured.
"""

import errno
import http.client
import os
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from saymask.errors import InputError
from saymask.util.files import file_sha256
from saymask.util.locks import only_process

REACH_SECONDS = 4.0
"""Patience for the first answer of a machine; name resolution counts."""
READ_SECONDS = 30.0
"""Patience for the next bytes of a download."""
TRIES = 5
"""Attempts in a row without a single new byte before a download is given up."""
WAIT_SECONDS = 1.0
"""Pause before the second attempt; it doubles with each further one."""
_CHUNK = 1 << 20
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that another attempt may change."""


class UnreachableError(InputError):
    """A machine that does not answer, or a download that does not go on; the message says which and why."""


def check_reachable(url: str, seconds: float | None = None) -> None:
    """Raise UnreachableError unless the host of `url`, or the proxy on the way to it, takes a connection in time."""
    host, port = _first_stop(url)
    found: list[Exception | None] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            found.append(None)
        except OSError as error:
            found.append(error)

    # In a thread of its own: the look-up of a name cannot be given a time limit.
    seconds = REACH_SECONDS if seconds is None else seconds
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    problem = found[0] if found else TimeoutError(f"no answer within {seconds:g} s")
    if problem is not None:
        raise UnreachableError(f"{host} cannot be reached ({problem})")


def _first_stop(url: str) -> tuple[str, int]:
    """Return host and port that a request for `url` connects to: those of a proxy where the environment names one."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if not parts.hostname:
        raise InputError(f"{url}: expected an address such as https://example.org/file, got no host")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def download(
    url: str,
    path: Path,
    *,
    size: int = 0,
    sha256: str = "",
    done: Callable[[int, int], None] = lambda have, total: None,
) -> str:
    """Bring a file to `path` and return its sha256; `done(bytes, total)` is called as bytes come (0 = not known).

    size, sha256: what the file must have; 0 and "" = not known. Raises UnreachableError when nothing comes (what has
    come is kept for the next call), InputError for an address without the file, another file, and a full disk.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url}: expected an address that begins with https:// or http://")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    busy = f"{path} is being downloaded by another process; wait for it"
    with only_process(path.with_name(f"{path.name}.lock"), busy=busy):
        check_reachable(url)
        failed = 0
        while True:
            before = _size(part)
            try:
                _fetch(url, part, size, done)
                break
            except (OSError, http.client.HTTPException) as error:
                problem = _checked(url, error)
            failed = 1 if _size(part) > before else failed + 1
            if failed == TRIES:
                kept = f"; {_size(part):,} bytes are kept, the next attempt goes on from there" if _size(part) else ""
                raise UnreachableError(f"{url}: the download stopped ({problem}), {TRIES} attempts in vain{kept}")
            time.sleep(WAIT_SECONDS * 2 ** (failed - 1))
        _tag(part).unlink(missing_ok=True)
        found = file_sha256(part)
        if sha256 and found != sha256:
            part.unlink()
            raise InputError(f"{url}: expected a file with sha256 {sha256}, got {found}; it was thrown away")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    return found


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects as usual, but never from an encrypted address to one that is not."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise InputError(f"{req.full_url}: expected an encrypted address behind it, was sent to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, part: Path, size: int, done: Callable[[int, int], None]) -> None:
    """Append what is missing to `part`; an exception of the connection where it ends too early."""
    have, tag = _size(part), _tag(part)
    headers = {"User-Agent": "saymask", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http or https, as `download` has checked
    if have:
        request.add_header("Range", f"bytes={have}-")
        if tag.is_file():  # another version of the file is then sent whole
            request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    try:
        answer = urllib.request.build_opener(_SafeRedirects).open(request, timeout=READ_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if error.headers.get("Content-Range") != f"bytes */{have}":  # else the last run ended before its last step
            part.unlink()
            _fetch(url, part, size, done)
        return
    with answer as response:
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status != 206 or begins is None or int(begins[1]) != have:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        _check_answer(url, response.headers, total, size)
        if total - have > shutil.disk_usage(part.parent).free:
            raise InputError(f"{part.parent}: expected room for {total - have:,} bytes more; free some space")
        mark = response.headers.get("ETag", "")
        if mark.startswith('"'):
            tag.write_text(mark, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        with part.open("ab" if have else "wb") as file:
            # read1 gives what has come, so that a slow connection shows progress and a broken one loses nothing.
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                done(have, total)
    if total and have < total:
        raise ConnectionError(f"cut off after {have:,} of {total:,} bytes")


def _check_answer(url: str, headers: Any, total: int, size: int) -> None:
    """Raise InputError for an answer that is not the file."""
    if headers.get_content_type() == "text/html":
        raise InputError(f"{url}: expected a file, got a web page; open the address in a browser and save the file")
    if size and total and total != size:
        raise InputError(f"{url}: expected {size:,} bytes, the server has {total:,}; is it another version?")


def _checked(url: str, error: Exception) -> str:
    """Return in words what went wrong with a connection; InputError for what no further attempt would change."""
    if isinstance(error, urllib.error.HTTPError):
        with error:  # it holds the connection
            if error.code in _AGAIN:
                return f"the server answers {error.code} {error.reason}"
            raise InputError(f"{url}: the server answers {error.code} {error.reason}")
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise InputError(f"{url}: the server's certificate cannot be trusted ({reason.verify_message})")
    if isinstance(reason, OSError) and (reason.filename or reason.errno in (errno.ENOSPC, errno.EDQUOT)):
        raise reason  # of the disk
    return str(reason) or type(reason).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Return the file that keeps the server's mark of the version which `part` is the beginning of."""
    return part.with_name(f"{part.name}.etag")
