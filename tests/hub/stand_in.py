"""The part of the Hugging Face hub that `publish` and `hf://` names talk to, served on this machine from memory."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "hf_test"


class Hub:
    """Repositories by name; a commit is the files it leaves behind."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.address = ""
        self.hangs_up = False
        """Whether the answer to a commit never comes."""

    def files(self, repository: str, revision: str = "main") -> tuple[str, dict[str, bytes]] | None:
        """Return the commit and its files that a revision stands for."""
        made = {_sha(i): files for i, files in enumerate(self.commits.get(repository, []))}
        if revision == "main" and made:
            revision = list(made)[-1]
        return (revision, made[revision]) if revision in made else None


def _sha(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(\w+)", path):
            found = self.hub.files(*match.groups())
            if found is not None:
                siblings = [{"rfilename": name} for name in found[1]]
                return self.answer({"id": match[1], "sha": found[0], "siblings": siblings})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(\w+)", path):
            found = self.hub.files(*match.groups())
            if found is not None:
                kinds = ((name, content, hashlib.sha1(content).hexdigest()) for name, content in found[1].items())
                return self.answer([{"type": "file", "path": n, "size": len(c), "oid": oid} for n, c, oid in kinds])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(\w+)/(.+)", path):
            found = self.hub.files(match[1], match[2])
            if found is not None and match[3] in found[1]:
                content = found[1][match[3]]
                return self.send(
                    200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', **{"X-Repo-Commit": found[0]}
                )
        self.send(404, b'{"error": "Repository not found"}', **{"X-Error-Code": "RepoNotFound"})

    def do_POST(self) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(401, b'{"error": "Invalid username or password."}')
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            known = name in hub.commits
            hub.commits.setdefault(name, [])
            hub.private.setdefault(name, asked.get("visibility") == "private" or bool(asked.get("private")))
            return self.answer({"url": f"{hub.address}/{name}"}, 409 if known else 200)
        if re.fullmatch(r"/api/models/[^/]+/[^/]+/preupload/main", path):
            names = [file["path"] for file in json.loads(body)["files"]]
            kinds = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            return self.answer(
                {"files": [{"path": n, "uploadMode": kind, "shouldIgnore": False} for n, kind in kinds.items()]}
            )
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{hub.address}/lfs/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
            return self.answer({"transfer": "basic", "objects": objects})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            if hub.hangs_up:
                self.close_connection = True
                return None
            commits = hub.commits[match[1]]
            files = dict(commits[-1]) if commits else {}
            for entry in map(json.loads, body.splitlines()):
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = hub.objects[value["oid"]]
            commits.append(files)
            sha = _sha(len(commits) - 1)
            return self.answer(
                {"success": True, "commitOid": sha, "commitUrl": f"{hub.address}/{match[1]}/commit/{sha}"}
            )
        self.send(404, b"{}")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self.path.rpartition("/")[2]
        self.hub.objects[oid] = content
        self.send(200 if hashlib.sha256(content).hexdigest() == oid else 400, b"")

    def answer(self, content: object, code: int = 200) -> None:
        self.send(code, json.dumps(content).encode(), **{"Content-Type": "application/json"})

    def send(self, code: int, content: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def served():
    """Yield a `Hub` that is being served at its `address`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
