"""Who is let in, what every answer carries, what is logged and counted, and that the server asks no other host."""

import json
import re
import socket

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from saymask.server import front
from saymask.server.client import Client
from saymask.server.front import Access
from saymask.server.refusal import Refusal
from tests.server.serving import logged, running

HERE = {"host": "127.0.0.1:8000"}


def refused(access: Access, path: str = "/scans", **headers: str) -> int | None:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in {**HERE, **headers}.items()]
    try:
        access.check(path, Headers(raw=pairs))
    except Refusal as refusal:
        return refusal.status
    return None


def test_this_machine_is_let_in():
    access = Access("127.0.0.1")
    assert refused(access) is None
    assert refused(access, host="localhost:1") is None
    assert refused(access, origin="http://127.0.0.1:8000") is None


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_a_foreign_name_that_leads_here_is_refused(host):
    assert refused(Access("127.0.0.1"), host=host) == 421
    assert refused(Access("127.0.0.1"), "/health", host=host) == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8001", ""])
def test_pages_of_other_servers_may_not_ask(origin):
    assert refused(Access("127.0.0.1"), origin=origin) == 403


def test_pages_that_are_named_may_ask():
    access = Access("127.0.0.1", origins=("https://example.org",))
    assert refused(access, origin="https://example.org") is None
    assert refused(access, origin="http://example.org") == 403


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", "Basic secret", "secret", "Bearer secre", "Bearer secret2", "Bearer é"]
)
def test_a_token_is_asked_for(given):
    access = Access("0.0.0.0", "secret")
    headers = {"authorization": given} if given else {}
    assert refused(access, **headers) == 401
    assert refused(access, "/metrics", **headers) == 401
    assert refused(access, "/health", **headers) is None  # tells nothing of scans
    assert refused(access, authorization="Bearer secret") is None
    assert refused(access, authorization="bearer  secret ") is None


def test_doubled_headers_are_refused():
    with pytest.raises(Refusal, match="expected this header once") as refusal:
        Access("0.0.0.0", "a").check("/", Headers(raw=[(b"authorization", b"Bearer a"), (b"authorization", b"b")]))
    assert refusal.value.status == 400


@pytest.mark.usefixtures("read_here")
def test_the_token_over_http(quick_model, scans, tmp_path):
    (tmp_path / "data").mkdir()
    with running(quick_model, tmp_path / "data", root=scans, host="0.0.0.0", token="secret") as server:
        assert server.client.load("a.ply").info.points == 3000
        with Client(server.url, token="wrong") as client:
            assert client.health().scans == 1
            for call in (client.scans, client.metrics, client.model, lambda: client.load("b.ply")):
                with pytest.raises(Refusal, match="Bearer TOKEN") as refusal:
                    call()
                assert refusal.value.status == 401
        assert httpx.get(f"{server.url}/scans").headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{server.url}/openapi.json").json()["components"]["securitySchemes"]


def test_a_page_of_another_server(quick_model, tmp_path):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    with running(quick_model, tmp_path, token="t", host="0.0.0.0", origins=("https://example.org",)) as server:
        before = httpx.options(f"{server.url}/scans", headers=asked)  # without the token: a browser sends none
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == "https://example.org"
        got = httpx.get(f"{server.url}/scans", headers={"Origin": "https://example.org", "Authorization": "Bearer t"})
        assert (got.status_code, got.headers["access-control-allow-origin"]) == (200, "https://example.org")
        evil = httpx.get(f"{server.url}/scans", headers={"Origin": "https://evil.example", "Authorization": "Bearer t"})
        assert evil.status_code == 403
        assert "access-control-allow-origin" not in evil.headers


def test_every_answer_has_an_id(quick):
    assert httpx.get(f"{quick.url}/health", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = [httpx.get(f"{quick.url}/health", headers={"X-Request-ID": given}) for given in ("", "a b", "x" * 65)]
    assert all(re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"]) for answer in made)
    assert len({answer.headers["x-request-id"] for answer in made}) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/scans", 405), ("GET", "/scans/x/refer", 405), ("GET", "/scans/x", 404),
     ("POST", "/scans/x/refer", 422), ("GET", "/docs", 404)],
)  # fmt: skip
def test_errors_have_one_form(quick, method, path, status):
    answer = httpx.request(method, quick.url + path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "request_id"}
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "expected JSON"),
        (b"[" * 100_000, "|"),
        (b'{"path": "a\xff.ply"}', "|"),
        (b'{"path": "\\ud800"}', "|"),
        (b'{"path": 3}', "path: input should be a valid string, got 3"),
        (b'{"path": "a.ply", "unit": "mile"}', "unit: "),
        (b'{"path": "a.ply", "color": 1}', "color: extra inputs"),
        (b"null", "|"),
        (b"", "field required"),
    ],
)
def test_what_is_no_form(quick, content, words):
    answer = httpx.post(f"{quick.url}/scans", content=content, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert re.search(words, answer.json()["error"])


def test_a_request_is_bounded(quick):
    answer = httpx.post(f"{quick.url}/scans", json={"path": "x" * (front.MOST_JSON + 1)})
    assert answer.status_code == 413
    assert "at most 1 MB" in answer.json()["error"]
    parts = (b'"' + b"x" * 2**19 for _ in range(4))  # without a length
    answer = httpx.post(f"{quick.url}/scans", content=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["9" * 15, "9" * 16, "9" * 5000])
def test_lengths_without_end(length):
    with pytest.raises(HTTPException, match="413"):
        front._Bounded(None, 100, Headers({"content-length": length}))  # type: ignore[arg-type]


def test_a_request_that_stops_is_ended(quick, monkeypatch):
    monkeypatch.setattr(front, "BODY_SECONDS", 0.2)
    host, port = quick.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /scans/upload?name=a.ply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nply"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
    assert list(quick.service.store.folder.iterdir()) == []


@pytest.mark.usefixtures("read_here")
def test_the_log_has_a_line_of_json_per_request(quick):
    with logged(3) as lines:
        remote = quick.client.load("a.ply")
        remote.refer("the secret wish of a user")
        with pytest.raises(Refusal):
            remote.find("lamp")
    loaded, asked, refused = lines
    assert (loaded["method"], loaded["path"], loaded["status"], loaded["level"]) == ("POST", "/scans", 201, "info")
    assert (asked["verb"], asked["scan"], asked["prompts"], asked["status"]) == ("refer", remote.id, 1, 200)
    assert asked["seconds"] >= asked["answer_seconds"] >= 0
    assert refused["status"] == 422
    assert "secret" not in json.dumps(lines)  # what is asked is nobody's business


def test_a_bug_is_said_to_be_one(quick, monkeypatch):
    monkeypatch.setattr(quick.service, "card", lambda: 1 / 0)
    with logged(1) as lines:
        answer = httpx.get(f"{quick.url}/model")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    (line,) = lines
    assert line["request_id"] == answer.json()["request_id"]
    assert (line["level"], line["status"]) == ("error", 500)
    assert "ZeroDivisionError" in line["traceback"]


@pytest.mark.usefixtures("read_here")
def test_numbers_for_prometheus(quick):
    from prometheus_client.parser import text_string_to_metric_families

    remote = quick.client.load("a.ply")
    remote.refer(["a box", "a red box"])
    with pytest.raises(Refusal):
        quick.client.scene("none")
    httpx.request("BREW", f"{quick.url}/health")
    answer = httpx.get(f"{quick.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    counted = {key[1:]: value for key, value in values.items() if key[0] == "saymask_requests_total"}
    assert counted[("method", "POST"), ("route", "/scans/{id}/refer"), ("status", "200")] == 1
    assert counted[("method", "GET"), ("route", "/scans/{id}"), ("status", "404")] == 1
    assert counted[("method", "OTHER"), ("route", "/health"), ("status", "405")] == 1
    assert values["saymask_prompts_total", ("verb", "refer")] == 2
    assert values["saymask_encode_seconds_count",] == 1
    assert values["saymask_scans",] == values["saymask_encoded_scans",] == 1
    assert values["saymask_encoded_bytes",] > 3000 * 15
    assert values["saymask_places_taken",] == 0


def test_the_page_asks_no_other_host(quick):
    answer = httpx.get(quick.url + "/")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|https?://|src=|@import|url\(", answer.text)
    document = httpx.get(f"{quick.url}/openapi.json").json()
    for path in document["paths"]:
        assert f"</span>{path}</h2>" in answer.text
    for name in ("sentences", "threshold", "application/octet-stream", "list of list of number"):
        assert name in answer.text
