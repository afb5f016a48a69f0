"""How a request is read, logged, spoiled by a fault, routed and answered."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hubserver.store import RefusedError, Repository

if TYPE_CHECKING:
    from tests.support.hubserver.server import HubServer


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str  # without the query
    query: dict[str, str]
    server: str  # hub or storage
    authorized: bool
    size: int
    status: int = 0


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match.

    `status` and `headers` answer instead of the Hub. `drop`: "before" closes the connection before anything is done,
    "after" does it and then closes without an answer. `seconds` holds the answer back until they have passed or
    the server stops. `dies_after`: so many bytes of the body are read, then the whole server goes away. `then` is
    called before the request is answered: somebody else does something at just that moment.
    """

    method: str
    path: re.Pattern[str]
    times: int = 1
    status: int | None = None
    message: str = "Something went wrong"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: str | None = None
    seconds: float = 0.0
    dies_after: int | None = None
    then: Callable[[], object] | None = None
    hits: int = 0


class _GoneError(Exception):
    """The connection is to be closed without an answer."""


Route = tuple[str, re.Pattern[str], Callable[..., None]]


class Handler(BaseHTTPRequestHandler):
    """Reads a request, applies faults, finds the route, turns RefusedError into the Hub's error answers."""

    protocol_version = "HTTP/1.1"
    server: Any  # server.Listener
    routes: ClassVar[list[Route]] = []

    def log_message(self, *_: object) -> None:
        """Tests look into `hub.log`; nothing goes to stderr."""

    @property
    def hub(self) -> HubServer:
        hub: HubServer = self.server.hub
        return hub

    def _any(self) -> None:
        parts = urlsplit(self.path)
        self.route_path = parts.path  # still quoted: a revision may hold %2F
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.answered = False
        authorized = "authorization" in self.headers
        self.seen = Seen(self.command, unquote(parts.path), self.query, self.server.name, authorized, 0)
        self.hub.log.append(self.seen)
        try:
            fault = self._fault()
            self.body = self._read_body(fault)
            self.seen.size = len(self.body)
            if fault is not None and fault.status is not None:
                raise RefusedError(fault.status, fault.message, None, headers=fault.headers)
            self._dispatch(answer=fault is None or fault.drop is None)
        except RefusedError as error:
            self._refuse(error)
        except (_GoneError, ConnectionError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any  # noqa: N815

    def _fault(self) -> Fault | None:
        for fault in self.hub.faults:
            if fault.times > fault.hits and fault.method == self.command and fault.path.search(self.seen.path):
                fault.hits += 1
                if fault.seconds:
                    self.hub.stopping.wait(fault.seconds)
                if fault.then is not None:
                    fault.then()
                if fault.drop == "before":
                    raise _GoneError
                return fault
        return None

    def _read_body(self, fault: Fault | None) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.dies_after is not None:
            self.rfile.read(min(fault.dies_after, length))
            threading.Thread(target=self.hub.die).start()
            raise _GoneError
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(length)
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _dispatch(self, answer: bool) -> None:
        self.silent = not answer
        for method, pattern, function in self.routes:
            match = pattern.fullmatch(self.route_path)
            if match and method == ("GET" if self.command == "HEAD" else self.command):
                function(self, **{name: unquote(value or "") for name, value in match.groupdict().items()})
                return
        raise RefusedError(404, f"Sorry, we can't find the page you are looking for: {self.route_path}")

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send an answer; a HEAD gets the headers only, and a fault may swallow it."""
        if self.silent:
            raise _GoneError
        self.seen.status = status
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def answer_file(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Send bytes, or the part that a Range header asks for."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.answer(200, data, {"Accept-Ranges": "bytes", **headers})
            return
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        if start >= len(data):
            raise RefusedError(416, "Range Not Satisfiable", None, headers={"Content-Range": f"bytes */{len(data)}"})
        part = data[start : end + 1]
        span = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
        self.answer(206, part, {"Accept-Ranges": "bytes", "Content-Range": span, **headers})

    def _refuse(self, error: RefusedError) -> None:
        self.silent = False
        headers = dict(error.extra.pop("headers", {}))  # type: ignore[call-overload]
        headers |= {"X-Error-Code": error.code} if error.code else {}
        self.answer_json(
            {"error": error.message, **error.extra}, error.status, {"X-Error-Message": error.message, **headers}
        )


class HubHandler(Handler):
    def user(self) -> str | None:
        """Who asks; None without a token. RefusedError 401 for a token that nobody has."""
        given = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            return None
        if given not in self.hub.store.users:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return self.hub.store.users[given]

    def writer(self, namespace: str) -> str:
        """Who asks, if that user may write to a namespace."""
        user = self.user()
        if user is None:
            raise RefusedError(401, "Invalid username or password.")
        if user == "reader" or namespace not in (user, *self.hub.store.organizations):
            raise RefusedError(403, f"You don't have the rights to write under the namespace {namespace!r}")
        return user

    def repository(self, kind: str, repo_id: str, write: bool = False) -> Repository:
        """The repository that is asked for. What may not be seen looks as if it did not exist."""
        store, user = self.hub.store, self.user()
        found = store.repositories.get((kind, repo_id))
        if found is None or (found.private and user is None):
            raise RefusedError(404 if user else 401, "Repository not found", "RepoNotFound")
        if found.gated and not write and user != "tester":
            raise RefusedError(403, f"Access to {kind} {repo_id} is restricted.", "GatedRepo")
        if write:
            self.writer(repo_id.split("/")[0])
        return found

    def redirect_if_renamed(self, kind: str, repo_id: str) -> bool:
        """A repository that has moved answers with its new address."""
        new = self.hub.store.renamed.get((kind, repo_id))
        if new is None:
            return False
        query = urlsplit(self.path).query
        target = self.route_path.replace(repo_id, new, 1) + (f"?{query}" if query else "")
        self.answer(307, b"", {"Location": target})
        return True


class StorageHandler(Handler):
    """Where large objects lie. It has an origin of its own, so a client must not send it the Hub's token."""


def route(handler: type[Handler], method: str, pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Answer `method` on paths that fit `pattern`; its named groups become arguments."""

    def note(function: Callable[..., None]) -> Callable[..., None]:
        if "routes" not in vars(handler):
            handler.routes = []
        handler.routes.append((method, re.compile(pattern), function))
        return function

    return note
