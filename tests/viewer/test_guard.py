"""Who may speak to the server."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from saymask.viewer.guard import Guard, page

PAGE = {"Host": "127.0.0.1:8080"}
SOCKET = {**PAGE, "Upgrade": "websocket", "Origin": "http://127.0.0.1:8080"}


def status(guard, path="/", **changes):
    headers = Headers({k.replace("_", "-"): v for k, v in changes.items() if v is not None})
    answer = guard.around(None)(None, Request(path, headers))
    return None if answer is None else answer.status_code


def test_the_page_and_its_connection_are_let_in():
    assert status(Guard("127.0.0.1"), **PAGE) == 200
    assert status(Guard("127.0.0.1"), **SOCKET) is None
    assert status(Guard("127.0.0.1"), **{**SOCKET, "Host": "localhost:9", "Origin": "http://localhost:9"}) is None
    assert status(Guard("::1"), Host="[::1]:8080") == 200


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1.evil.example", "", "[::1", "127.0.0.1@evil.example"])
def test_a_foreign_name_that_leads_here_is_refused(host):
    assert status(Guard("127.0.0.1"), Host=host) == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", None, "null", "http://127.0.0.1:8081", "http://localhost:8080"]
)
def test_another_page_cannot_connect(origin):
    assert status(Guard("127.0.0.1"), **{**SOCKET, "Origin": origin}) == 403


def test_doubled_headers_are_refused():
    headers = Headers()
    headers["Host"], headers["Host"] = "127.0.0.1", "evil.example"
    assert Guard("127.0.0.1").around(None)(None, Request("/", headers)).status_code == 400


def test_off_the_loopback_a_token_is_asked_for():
    guard, host = Guard("0.0.0.0"), {"Host": "192.168.1.5:8080"}
    assert guard.url(8080) == f"http://127.0.0.1:8080/?token={guard.token}"
    assert status(guard, **host) == 403
    assert status(guard, "/?token=wrong", **host) == 403
    assert status(guard, f"/?token={guard.token}", **host) == 200
    socket = {**SOCKET, **host, "Origin": "http://192.168.1.5:8080"}
    assert status(guard, **socket) == 403
    assert status(guard, **socket, Cookie=f"saymask_token={guard.token}") is None
    assert status(guard, **socket, Cookie="saymask_token=wrong") == 403
    assert len(guard.token) >= 32
    assert Guard("0.0.0.0").token != guard.token


def test_the_token_becomes_a_cookie_that_scripts_cannot_read():
    guard = Guard("0.0.0.0")
    answer = guard.around(None)(None, Request(f"/?token={guard.token}", Headers({"Host": "192.168.1.5"})))
    assert answer.headers["Set-Cookie"] == f"saymask_token={guard.token}; Path=/; HttpOnly; SameSite=Strict"


def test_the_page_may_ask_no_other_host():
    answer = Guard("127.0.0.1").around(None)(None, Request("/", Headers(PAGE)))
    policy = answer.headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://127.0.0.1:8080 data: blob:" in policy
    assert "default-src 'self'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_only_the_page_is_served():
    for path in ("/../secret", "/favicon.ico", "/%2e%2e/x"):
        assert status(Guard("127.0.0.1"), path, **PAGE) == 404


def test_the_page_has_our_script_and_title():
    text = page().decode()
    assert "<title>saymask</title>" in text
    assert "saymask-events" in text
    assert ".sm-answer" in text
