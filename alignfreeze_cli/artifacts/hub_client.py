"""Talking to the Hub: bounded patience, time limits, and every failure as one sentence (HubError, exit code 4).

huggingface_hub itself retries uploads and listings but neither commits nor the creation of repositories, and waits
without limit for an answer; what is here covers that, for pulling and pushing alike.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alignfreeze_cli.errors import HubError

T = TypeVar("T")

TRIES = 5
FIRST_WAIT = 1.0  # seconds, doubled from try to try
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is not waited for
_TEMPORARY = (408, 429, 500, 502, 503, 504)
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


def patiently(what: str, call: Callable[[], T], say: Callable[[str], None], tries: int = TRIES) -> T:
    """The result of `call`, tried again after a temporary failure (too many requests, 5xx, a dropped connection).

    Waits 1, 2, 4, 8 s, or as long as the Hub asks for, and says so each time. The last failure is raised as it is.
    """
    for number in range(1, tries):
        try:
            return call()
        except Exception as error:
            wait = _wait(error, number)
            if wait is None or wait > LONGEST_WAIT:
                raise
            say(f"{what}: {reason(error)}; trying again in {wait:g} s (try {number + 1} of {tries}).")
            time.sleep(wait)
    return call()


def _wait(error: BaseException, number: int) -> float | None:
    """Seconds to wait after the failed try `number`, or None if another try is pointless."""
    from huggingface_hub.utils import parse_ratelimit_headers

    if not is_temporary(error):
        return None
    asked: float | None = None
    response = _response(error)
    if response is not None:
        after = response.headers.get("Retry-After", "")
        limit = parse_ratelimit_headers(response.headers)
        if after.strip().isdigit():
            asked = float(after)
        elif response.status_code == 429 and limit is not None and limit.remaining == 0:
            asked = float(limit.reset_in_seconds)
    return max(asked, FIRST_WAIT) if asked is not None else FIRST_WAIT * 2 ** (number - 1)


def is_temporary(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    if isinstance(error, errors.LocalEntryNotFoundError):
        return error.__cause__ is not None and is_temporary(error.__cause__)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return False
    response = _response(error)
    if response is not None:
        return response.status_code in _TEMPORARY
    return isinstance(error, httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError)


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error of huggingface_hub, if there is one."""
    response = _response(error)
    return None if response is None else response.status_code


def _response(error: BaseException) -> Any:
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return _response(error.__cause__)
    return error.response if isinstance(error, HfHubHTTPError) else None


def reason(error: BaseException) -> str:
    """A temporary failure in a few words."""
    from huggingface_hub.utils import httpx

    if error.__cause__ is not None and _response(error) is None and is_temporary(error.__cause__):
        return reason(error.__cause__)
    status = status_of(error)
    if status == 429:
        return "the Hub asks to slow down (429)"
    if status is not None:
        return f"the Hub answered {status}"
    if isinstance(error, httpx.TimeoutException):
        return "the Hub did not answer in time"
    return f"the connection to the Hub broke ({str(error) or type(error).__name__})"


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn every error of huggingface_hub and its HTTP client about `what` into a HubError of one sentence."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    try:
        yield
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise HubError(sentence(what, error)) from error
    except (errors.HFValidationError, errors.LocalTokenNotFoundError, httpx.HTTPError) as error:
        raise HubError(sentence(what, error)) from error


def sentence(what: str, error: BaseException) -> str:
    """What a user reads about a failure of `what`, a reference (org/name@revision) or a doing (Pushing to org/name).

    It never holds a token, which no answer of the Hub repeats.
    """
    from huggingface_hub import errors

    if " " in what and isinstance(error, errors.RepositoryNotFoundError):
        return f"{what}: there is no such repository on the Hub, or the token may not see it; {_LOGIN}."
    if isinstance(error, errors.GatedRepoError):
        return f"{what} is gated: ask for access on its page, then {_LOGIN}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{what} is neither a folder here nor a repository on the Hub (or it is private: {_LOGIN})."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{what}: the repository has no such revision."
    if isinstance(error, errors.HFValidationError):
        return f"{what} is neither a folder here nor a valid Hub id: {error}"
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"{what}: there is no token for the Hub; {_LOGIN}."
    if isinstance(error, errors.OfflineModeIsEnabled) or isinstance(error.__cause__, errors.OfflineModeIsEnabled):
        return f"{what} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE)."
    if isinstance(error, errors.LocalEntryNotFoundError):
        if error.__cause__ is not None and is_temporary(error.__cause__):
            return f"{what} is not in the local cache, and {reason(error.__cause__)}; try again later."
        return f"{what} is not in the local cache, and the Hub can't be reached; check the network."
    if is_temporary(error):
        return f"{what}: {reason(error)}; {_later(error)}."
    status = status_of(error)
    if status is None:
        return f"{what}: the Hub can't be reached ({str(error) or type(error).__name__}); check the network."
    said = getattr(error, "server_message", None) or "no reason given"
    known = {
        401: f"the Hub does not accept the token; {_LOGIN}.",
        403: f"the token has no right to do this ({said}); use one with write access.",
        404: f"there is no such thing on the Hub ({said}).",
        409: f"it is in conflict with what is there already ({said}).",
        412: "the repository has changed since it was read; look at what came in, then run the command again.",
    }
    return f"{what}: " + known.get(status, f"the Hub answered {status} ({said}).")


def _later(error: BaseException) -> str:
    wait = _wait(error, 1)
    return f"try again in {wait:g} s" if wait is not None and wait > LONGEST_WAIT else "try again later"


def limit_waiting(seconds: float) -> None:
    """From now on a request that gets no byte for so long fails; without this, huggingface_hub waits for ever.

    It asks for that in some calls by name (`timeout=None`), so a limit of the client alone would not do: the hook sets
    it in every request that has none.
    """
    from huggingface_hub.utils import get_session, httpx, set_client_factory

    ours = "limit_waiting"
    hooks = [hook for hook in get_session().event_hooks["request"] if getattr(hook, "__name__", "") != ours]

    def limit(request: httpx.Request) -> None:
        given = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {k: given.get(k) or seconds for k in ("connect", "read", "write", "pool")}

    limit.__name__ = ours

    def factory() -> httpx.Client:
        return httpx.Client(event_hooks={"request": [*hooks, limit]}, follow_redirects=True, timeout=None)

    set_client_factory(factory)


__all__ = ["hub_errors", "pull", "split_reference"]

_REFERENCE = re.compile(
    r"^(?P<repo>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)(/(?P<inside>steps-\d+))?(@(?P<revision>[\w./-]+))?$"
)
_INSIDE = ("steps-*/*", "adapter/*")  # folders of a model's repository that are not the model itself
_SILENCE = 60.0  # seconds without a byte after which a request has failed


def split_reference(reference: str) -> tuple[str, str | None] | None:
    """`org/name@revision` → (`org/name`, `revision` or None); None if it can't be a Hub id.

    It may also name an encoder inside another one's repository: `org/name/steps-N@revision`.
    """
    match = _REFERENCE.match(reference)
    return (match["repo"], match["revision"]) if match else None


def pull(reference: str, patterns: Sequence[str], repo_type: str = "model") -> tuple[Path, str]:
    """Fetch the files of a Hub repository that fit `patterns`; gives (folder in the cache, resolved commit).

    Of `org/name/steps-N` the files in that folder are fetched, otherwise none of a model's inner folders.

    A failure that may pass is waited for (hubcalls.py). Raises HubError if the repository or revision does not exist,
    can't be reached, or, offline, is not in the cache.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a folder here nor a Hub id (org/name or org/name@revision).")
    from huggingface_hub import snapshot_download

    repo, revision = parts
    match = _REFERENCE.match(reference)
    inside = match["inside"] if match else None
    wanted = [f"{inside}/{pattern}" if inside else pattern for pattern in patterns]
    left_out = list(_INSIDE) if repo_type == "model" and not inside else None

    def fetch() -> str:
        return str(
            snapshot_download(
                repo, revision=revision, repo_type=repo_type, allow_patterns=wanted, ignore_patterns=left_out
            )
        )

    limit_waiting(_SILENCE)
    with hub_errors(reference):
        folder = Path(patiently(reference, fetch, logging.getLogger("alignfreeze").warning))
    return folder / (inside or ""), folder.name  # a snapshot's folder is named after its commit
