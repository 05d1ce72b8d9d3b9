"""Access to a server: from this machine alone, or with a token."""

import hmac
import re
import secrets

from saymask.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a server that listens on `host`."""
    return host in LOOPBACK


def host_name(header: str) -> str:
    """Return the name in a Host header, without its port; empty for what is none."""
    match = re.fullmatch(r"\[([0-9a-fA-F:]+)\](:\d+)?|([^:\[\]]+)(:\d+)?", header.strip())
    return "" if match is None else (match[1] or match[3]).lower()


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def same_token(given: str, token: str) -> bool:
    """Say whether two tokens are equal, in a time that tells nothing about them."""
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def address(host: str, port: int) -> str:
    """Return the URL, with a closing slash, under which this machine reaches a server that listens on `host`."""
    host = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not listened on
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def check_host(host: str) -> None:
    """Raise InputError for what is no address of a machine."""
    import socket

    try:
        socket.getaddrinfo(host, 0)
    except (OSError, UnicodeError):
        raise InputError(f"--host: expected an address of this machine such as 127.0.0.1, got {host!r}") from None


def check_port(port: int) -> None:
    """Raise InputError for what is no port."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port: expected 0 to 65535, got {port}")
