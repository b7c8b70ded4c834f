"""A stand-in for the hub: a server that keeps what is uploaded and gives it back, as the hub's client asks for it."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: files by name."""

    repositories: dict[str, dict[str, bytes]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if path == "/api/repos/create":
            name = "/".join(filter(None, [json.loads(body).get("organization"), json.loads(body)["name"]]))
            self.repositories.setdefault(name, {})
            self._answer({"url": f"{self._own}/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            named = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._answer({"files": named})
        elif path.endswith("/commit/main"):
            files_of = path.removeprefix("/api/models/").removesuffix("/commit/main")
            files = self.repositories[files_of]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": f"{self._own}/{files_of}/commit/{COMMIT}", "commitOid": COMMIT, "success": True})
        else:
            self._answer({"error": f"no such place {path}"}, 404)

    @property
    def _own(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            name = "/".join(path.removeprefix("/api/models/").split("/")[:2])
            files = self.repositories.get(name)
            if files is None:
                return self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            if "/tree/" in path:
                listed = [
                    {"type": "file", "path": one, "size": len(data), "oid": _sha(data)} for one, data in files.items()
                ]
                return self._answer(listed)
            named = [{"rfilename": one} for one in files]
            return self._answer(
                {"id": name, "modelId": name, "sha": COMMIT, "siblings": named, "private": False, "tags": []}
            )
        owner, name, _, _, *file = path.strip("/").split("/")
        data = self.repositories.get(f"{owner}/{name}", {}).get("/".join(file))
        if data is None:
            return self._answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        self._send(data, 200, {"ETag": f'"{_sha(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})

    def _answer(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def a_hub() -> Iterator[tuple[str, dict[str, dict[str, bytes]]]]:
    """Its address, and its repositories."""
    repositories: dict[str, dict[str, bytes]] = {}
    handler = type("OneHub", (Hub,), {"repositories": repositories})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", repositories
    finally:
        server.shutdown()
