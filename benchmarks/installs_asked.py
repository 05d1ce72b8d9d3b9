"""Ask a running `saymask view` or `saymask serve`: `python -I installs_asked.py view|serve SAYMASK SCAN SENTENCE`.

`benchmarks.installs` runs it with the interpreter of a fresh environment, in a process without a network. The page and
its first message are asked for, or a sentence about an uploaded scan; the exit status says whether the answer came.
"""

import fcntl
import socket
import struct
import subprocess
import sys
import time
import urllib.request

PORT = 8123
ADDRESS = f"http://127.0.0.1:{PORT}"


def raise_loopback() -> None:
    """Bring up the loopback device, which is down in a namespace without a network (SIOCSIFFLAGS, Linux)."""
    with socket.socket() as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def first_page(process: subprocess.Popen) -> bytes:
    """Return what the address shows as soon as it answers; SystemExit where it ends or takes five minutes."""
    for _ in range(600):
        try:
            return urllib.request.urlopen(ADDRESS, timeout=60).read()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.5)
    raise SystemExit("there was no answer")


def ask_view() -> None:
    """Connect as the page does and wait for its first message."""
    import viser
    from websockets.sync.client import connect

    protocol = f"viser-v{viser.__version__}"
    address = ADDRESS.replace("http", "ws")
    with connect(address, origin=ADDRESS, max_size=None, subprotocols=[protocol]) as page:  # type: ignore
        assert page.recv(timeout=120)


def ask_serve(scan: str, sentence: str) -> None:
    """Upload a scan and say a sentence about it."""
    from saymask.server.client import Client

    with Client(ADDRESS) as client:
        assert len(client.upload(scan).refer(sentence))  # type: ignore


def main() -> None:
    """Start the command, ask, and end it."""
    verb, saymask, scan, sentence = sys.argv[1:]
    raise_loopback()
    options = [scan, "--no-browser"] if verb == "view" else []
    process = subprocess.Popen([saymask, verb, *options, "--port", str(PORT)], stdout=subprocess.DEVNULL)
    try:
        assert b"<html" in first_page(process).lower()
        if verb == "view":
            ask_view()
        else:
            ask_serve(scan, sentence)
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
