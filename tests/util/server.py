"""A web server on this machine that misbehaves as asked: slow, cut off, redirecting, without ranges."""

import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Files by path, and what is wrong with the way they are served."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cuts: list[int] = []
        """Bytes after which each of the next answers ends, although more was promised."""
        self.codes: list[int] = []
        """Codes that the next requests are answered with."""
        self.ranges = True
        self.pause = 0.0
        """Seconds before each piece of an answer."""
        self.kind = "application/octet-stream"
        self.mark = '"one"'
        self.seen: list[tuple[str, str]] = []
        """Path and range of every request."""
        self.address = ""


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range", "")
        site.seen.append((self.path, asked))
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
            return
        content = site.files.get(self.path)
        if site.codes or content is None:
            self.send_error(site.codes.pop(0) if site.codes else 404)
            return
        begin = 0
        same = self.headers.get("If-Range", site.mark) == site.mark
        if site.ranges and same and (match := re.fullmatch(r"bytes=(\d+)-", asked)):
            begin = int(match[1])
            if begin >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("Content-Type", site.kind)
        self.send_header("ETag", site.mark)
        self.end_headers()
        rest = content[begin:]
        rest = rest[: site.cuts.pop(0)] if site.cuts else rest
        for start in range(0, len(rest), 65_536):
            time.sleep(site.pause)
            self.wfile.write(rest[start : start + 65_536])


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is what is tested


@contextmanager
def served():
    """Yield a `Site` that is being served at its `address`."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = _Server(("127.0.0.1", 0), handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
