"""A Hub on loopback: the real layouts over real HTTP, so that tests speak to it as they would to huggingface.co.

    with HubServer() as hub:
        hub.add("org/model", {"config.json": "{}"})
        subprocess.run([...], env=hub.environment(cache))     # HF_ENDPOINT is read at import: a fresh process

What a client sees was taken from what huggingface_hub 2.4 and datasets 5.2 send and read, and from the Hub's public
API: repository info, tree, paths, refs, resolve with its redirects and headers, whoami, creation, preupload, LFS batch
with uploads to a storage of another origin, commits, branches, tags, pull requests, collections, and uploads by Xet.

    store.py    repositories, commits, references, objects; no HTTP
    handler.py  how a request is read, logged, routed and answered; faults
    server.py   the two HTTP servers, the Hub and the storage beside it, and what a test calls
    reading.py  what is asked when something is pulled
    writing.py  what is asked when something is pushed; xet.py: uploads where hf_xet is installed

Faults are switched on by a test and act on matching requests: `hub.fail(...)` in server.py.
"""

from tests.support.hubserver.handler import Fault, Seen
from tests.support.hubserver.server import HubServer
from tests.support.hubserver.store import Commit, File, Repository, Store

__all__ = ["Commit", "Fault", "File", "HubServer", "Repository", "Seen", "Store"]
