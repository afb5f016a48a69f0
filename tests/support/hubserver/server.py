"""Two HTTP servers on loopback: the Hub, and its storage of another origin."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.hubserver import reading, writing, xet
from tests.support.hubserver.handler import Fault, Handler, HubHandler, Seen, StorageHandler
from tests.support.hubserver.store import Commit, Repository, Store

TOKEN = "-".join(["test", "write", "token"])
READER = "-".join(["test", "read", "token"])
ROUTES = (reading, writing, xet)  # modules that add routes when they are imported


class HubServer:
    """The Hub; a context manager. `url` is the endpoint, `token` a token that may write, `log` what was asked.

    It keeps its store while it is down: `die()` closes every connection, `come_back()` listens on the same ports.
    """

    def __init__(self) -> None:
        self.store = Store(users={TOKEN: "tester", READER: "reader"}, organizations={"org"})
        self.token = TOKEN
        self.page_size = 1000
        self.xet = False
        self.log: list[Seen] = []
        self.faults: list[Fault] = []
        self.plain: dict[str, bytes] = {}
        self.died = threading.Event()
        self.stopping = threading.Event()
        self.xorbs: dict[str, list[bytes]] = {}
        self._servers: dict[str, Listener] = {}
        self._ports = {"hub": 0, "storage": 0}

    # For tests.

    def __enter__(self) -> HubServer:
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.die()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['hub']}"

    @property
    def storage_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['storage']}"

    def environment(self, home: Path, token: str | None = TOKEN, **more: str) -> dict[str, str]:
        """The environment of a process that takes this server for the Hub, with its caches below `home`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
        ours = {
            "HF_ENDPOINT": self.url,
            "ALIGNFREEZE_MUSE": f"{self.url}/files/dictionaries",
            "HF_HOME": str(home / "huggingface"),
            "ALIGNFREEZE_CACHE": str(home / "alignfreeze"),
            "XDG_STATE_HOME": str(home / "state"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "0" if self.xet else "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        return kept | ours | ({"HF_TOKEN": token} if token else {}) | more

    def add(
        self,
        repo_id: str,
        files: Mapping[str, str | bytes] | Path,
        kind: str = "model",
        reference: str = "refs/heads/main",
    ) -> Commit:
        """Put files, or a folder's, into a repository."""
        if isinstance(files, Path):
            files = {str(p.relative_to(files)): p.read_bytes() for p in sorted(files.rglob("*")) if p.is_file()}
        return self.store.add(repo_id, files, kind, reference)

    def repository(self, repo_id: str, kind: str = "model") -> Repository:
        return self.store.repositories[kind, repo_id]

    def serve(self, path: str, data: str | bytes) -> str:
        """Serve a file that belongs to no repository; gives its address."""
        self.plain[path] = data.encode() if isinstance(data, str) else data
        return f"{self.url}/files/{path}"

    def fail(self, method: str, path: str, **fault: Any) -> Fault:
        """Switch a fault on for requests whose path holds the regular expression `path`; see `Fault`."""
        self.faults.append(Fault(method, re.compile(path), **fault))
        return self.faults[-1]

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """The requests so far with this method whose path holds the regular expression."""
        return [seen for seen in self.log if seen.method == method and re.search(path, seen.path)]

    def die(self) -> None:
        """Go away at once: nothing listens, every open connection is cut."""
        for server in self._servers.values():
            server.cut()
        self._servers.clear()
        self.died.set()

    def come_back(self) -> None:
        """Listen, on the same ports if it has listened before."""
        self.died.clear()
        for name, handler in (("hub", HubHandler), ("storage", StorageHandler)):
            server = Listener(("127.0.0.1", self._ports[name]), handler, self, name)
            self._ports[name] = server.server_address[1]
            self._servers[name] = server
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[Handler], hub: HubServer, name: str) -> None:
        self.hub, self.name = hub, name
        self.connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def cut(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
