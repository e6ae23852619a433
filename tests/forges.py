"""A stand-in for the REST interfaces of GitHub and GitLab, over real HTTP: keeps comments, records what it is asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = {"login": "github-actions[bot]", "type": "Bot", "id": 41898282}
STRANGER = {"login": "stranger", "type": "User", "id": 7}
COMMENTS = re.compile(r"/(?:repos/[^/]+/[^/]+/issues|projects/[^/]+/merge_requests)/\d+/(?:comments|notes)")
ONE_COMMENT = re.compile(r"/(?:repos/[^/]+/[^/]+/issues/comments|projects/[^/]+/merge_requests/\d+/notes)/(?P<id>\d+)")


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    document: dict[str, Any] | None


@dataclass
class StandIn:
    """``answers`` replaces the answer to a method and path: a status with a document, or text as it is."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    user: dict[str, Any] | None = None
    """None: a job's own token, which may not ask who it is."""
    read_only: bool = False
    private: bool = False
    answers: dict[tuple[str, str], tuple[int, object]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    most: int = 65_536

    def add(self, body: str, user: dict[str, Any] = BOT) -> int:
        number = 1000 + len(self.comments)
        link = f"https://forge.example/pull/5#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": user, "author": user, "html_url": link})
        return number

    def body(self, number: int) -> str:
        return next(str(c["body"]) for c in self.comments if c["id"] == number)

    def writes(self) -> list[str]:
        return [one.method for one in self.asked if one.method != "GET"]

    def answer(self, one: Asked) -> tuple[int, object]:
        if (one.method, one.path) in self.answers:
            return self.answers[one.method, one.path]
        if one.path == "/user":
            return (200, self.user) if self.user else (403, {"message": "Resource not accessible by integration"})
        if one.method == "GET" and re.fullmatch(r"/repos/[^/]+/[^/]+", one.path):
            return 200, {"private": self.private}
        if one.method == "GET" and one.path.endswith("/pulls"):
            return 200, [p for p in self.pulls if p["label"] == one.query["head"]][: int(one.query["per_page"])]
        if one.method == "GET" and COMMENTS.fullmatch(one.path):
            page, size = int(one.query["page"]), int(one.query["per_page"])
            return 200, self.comments[(page - 1) * size : page * size]
        if self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        body = str((one.document or {}).get("body"))
        if len(body) > self.most:
            return 422, {"message": "Body is too long"}
        if one.method == "POST" and COMMENTS.fullmatch(one.path):
            number = self.add(body, self.user or BOT)
            return 201, next(c for c in self.comments if c["id"] == number)
        found = ONE_COMMENT.fullmatch(one.path)
        if one.method in ("PATCH", "PUT") and found:
            comment = next(c for c in self.comments if c["id"] == int(found["id"]))
            comment["body"] = body
            return 200, comment
        return 404, {"message": "Not Found"}


@contextmanager
def stand_in(**fields: Any) -> Iterator[StandIn]:
    """Serves until the end of the block, at an address of its own."""
    forge = StandIn(**fields)

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

        def _any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(size)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            asked = Asked(self.command, parts.path, query, dict(self.headers), json.loads(data) if data else None)
            forge.asked.append(asked)
            status, document = forge.answer(asked)
            text = document if isinstance(document, str) else json.dumps(document)
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", text)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_PUT = _any

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        forge.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()
