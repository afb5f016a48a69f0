"""The Hub, for pulling and pushing alike: retries that end, time limits, and failures as one sentence (HubError).

    pull            the files of a repository, in the cache
    offline_mode    nothing is asked inside
    with_retries    a call that is tried again after a temporary failure
    hub_errors      errors of huggingface_hub as HubError (exit code 4)

huggingface_hub itself waits without limit for an answer, and tries some requests again but not others: neither commits
nor the creation of repositories. So it is left to `with_retries` alone, which says what it waits for.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alignfreeze_cli.errors import HubError

T = TypeVar("T")

TRIES = 5
FIRST_WAIT = 1.0  # seconds, doubled from try to try
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is not waited for
SILENCE = 60.0  # seconds without a byte after which a request has failed
_TEMPORARY = (408, 429, 500, 502, 503, 504)
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
_REFERENCE = re.compile(r"^(?P<repo>[^/@]+(/[^/@]+)?)(/(?P<inside>steps-\d+))?(@(?P<revision>[\w./-]+))?$")
_INSIDE = ("steps-*/*", "adapter/*")  # folders of a model's repository that are not the model itself
_CONVERTER = "SFconvertbot"  # opens pull requests with the weights of others as safetensors
_LOOKED_INTO = 10  # pull requests, at most


def split_reference(reference: str) -> tuple[str, str | None] | None:
    """`org/name@revision` → (`org/name`, `revision` or None); None if it can't be a Hub id.

    It may also name an encoder inside another one's repository: `org/name/steps-N@revision`.
    """
    match = _REFERENCE.match(reference)
    return (match["repo"], match["revision"]) if match and is_repository_id(match["repo"]) else None


def is_repository_id(name: str) -> bool:
    """Whether the Hub could have a repository of this name: `org/name`, or `name` as a few old ones have."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.isascii()


def pull(
    reference: str,
    patterns: Sequence[str],
    repo_type: str = "model",
    maybe_path: bool = False,
    cached_only: bool = False,
) -> tuple[Path, str]:
    """Fetch the files of a Hub repository that fit `patterns`; gives (folder in the cache, resolved commit).

    Of `org/name/steps-N` the files in that folder are fetched, otherwise none of a model's inner folders. What
    may be a mistyped path is not tried again where the Hub can't be reached. With `cached_only` the Hub is not asked.
    Raises HubError if the repository or revision does not exist, can't be reached, or, offline, is not in the cache.
    """
    from huggingface_hub import snapshot_download

    chosen = choose_files(reference, patterns, repo_type)

    def fetch() -> str:
        return str(
            snapshot_download(
                chosen.repo,
                revision=chosen.revision,
                repo_type=repo_type,
                allow_patterns=chosen.wanted,
                ignore_patterns=chosen.left_out,
                local_files_only=cached_only,
            )
        )

    limit_silence(SILENCE)
    warn = logging.getLogger("alignfreeze").warning
    with hub_errors(reference):
        folder = Path(with_retries(reference, fetch, warn, reconnect=not maybe_path))
    return folder / chosen.inside, folder.name  # a snapshot's folder is named after its commit


@dataclass(frozen=True)
class Choice:
    """Which files of a repository are meant. `inside`: the folder in it, "" for its top."""

    repo: str
    revision: str | None
    inside: str
    wanted: list[str]
    left_out: list[str] | None


def choose_files(reference: str, patterns: Sequence[str], repo_type: str) -> Choice:
    """Of `org/name/steps-N` the files in that folder, otherwise none of a model's inner folders. Raises HubError."""
    parts, match = split_reference(reference), _REFERENCE.match(reference)
    if parts is None or match is None:
        raise HubError(f"{reference!r} is no Hub id (org/name or org/name@revision).")
    inside = match["inside"] or ""
    wanted = [f"{inside}/{pattern}" if inside else pattern for pattern in patterns]
    left_out = list(_INSIDE) if repo_type == "model" and not inside else None
    return Choice(*parts, inside, wanted, left_out)


def is_offline() -> bool:
    """Whether the Hub is not to be asked (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return constants.is_offline_mode()


@contextmanager
def offline_mode(wanted: bool) -> Iterator[None]:
    """Inside, if it is wanted, nothing is asked of the Hub, neither here nor in processes that are started."""
    if not wanted:
        yield
        return
    from huggingface_hub import constants

    variable, switch = os.environ.get("HF_HUB_OFFLINE"), constants.HF_HUB_OFFLINE
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True  # read from the environment when it was imported
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = switch
        os.environ.pop("HF_HUB_OFFLINE") if variable is None else os.environ.update(HF_HUB_OFFLINE=variable)


def list_files(repo: str, revision: str) -> list[str]:
    """The files of a model's repository; empty where that can't be found out, as offline."""
    from huggingface_hub import HfApi

    try:
        with hub_errors(repo), _single_tries():
            return list(HfApi().list_repo_files(repo, revision=revision))
    except HubError:
        return []


def find_conversion(repo: str) -> tuple[str, str] | None:
    """Reference (`refs/pr/N`) and author of a pull request with the weights of a model's repository as safetensors.

    Those that the Hub's own converter opened come first. None if there is none or, as offline, it can't be found out.
    """
    from huggingface_hub import HfApi

    try:
        with hub_errors(repo), _single_tries():
            requests = list(HfApi().get_repo_discussions(repo, discussion_type="pull_request"))
    except HubError:
        return None
    requests.sort(key=lambda each: (each.author != _CONVERTER, "safetensors" not in each.title, each.num))
    for each in requests[:_LOOKED_INTO]:
        reference = f"refs/pr/{each.num}"
        if {"model.safetensors", "model.safetensors.index.json"} & set(list_files(repo, reference)):
            return reference, each.author
    return None


def with_retries(what: str, call: Callable[[], T], warn: Callable[[str], None], reconnect: bool = True) -> T:
    """The result of `call`, tried again after a temporary failure (too many requests, 5xx, a dropped connection).

    Waits 1, 2, 4, 8 s, or as long as the Hub asks for, and says so each time. The last failure is raised as it is, and
    without `reconnect` also the first one to which the Hub gave no answer.
    """
    with _single_tries():
        for number in range(1, TRIES):
            try:
                return call()
            except Exception as error:
                wait = _wait(error, number)
                if wait is None or wait > LONGEST_WAIT or not (reconnect or status_of(error)):
                    raise
                warn(f"{what}: {_failure(error)}; trying again in {wait:g} s (try {number + 1} of {TRIES}).")
                time.sleep(wait)
        return call()


@contextmanager
def _single_tries() -> Iterator[None]:
    """Inside, huggingface_hub sends no request a second time by itself.

    It would wait silently, as long as the Hub asks for, and its tries would multiply with those of `with_retries`. Only
    a download that breaks off is still taken up where it was, as long as new bytes arrive.
    """
    defaults = _retry_defaults()
    for values, name, _ in defaults:
        values[name] = 0
    try:
        yield
    finally:
        for values, name, before in defaults:
            values[name] = before


@functools.cache
def _retry_defaults() -> list[tuple[dict[str, Any], str, int]]:
    """Where huggingface_hub keeps how often it tries again: (defaults of a function, name, value).

    It offers no setting for that.
    """
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    functions: list[tuple[Any, str]] = [
        (_http.http_backoff, "max_retries"),
        (_http.http_stream_backoff, "max_retries"),
        (getattr(file_download.http_get, "__wrapped__", file_download.http_get), "_nb_retries"),
    ]
    known = ((getattr(function, "__kwdefaults__", None) or {}, name) for function, name in functions)
    return [(values, name, values[name]) for values, name in known if name in values]


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

    error = _underlying(error)
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
    from huggingface_hub.errors import HfHubHTTPError

    error = _underlying(error)
    return error.response if isinstance(error, HfHubHTTPError) else None


def _underlying(error: BaseException) -> BaseException:
    """What was behind an error that only says which file could not be had (pulling) or uploaded (pushing)."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    wraps = isinstance(error, LocalEntryNotFoundError | RuntimeError)
    return error.__cause__ if wraps and error.__cause__ is not None else error


def _failure(error: BaseException) -> str:
    """A temporary failure in a few words."""
    from huggingface_hub.utils import httpx

    error = _underlying(error)
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
    """Turn every error of huggingface_hub and its HTTP client about `what` into a HubError of one sentence.

    `what` is a reference (org/name@revision) or what is being done (Pushing to org/name).
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    try:
        yield
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise HubError(_explain(what, error)) from error
    except (errors.HFValidationError, errors.LocalTokenNotFoundError, httpx.HTTPError) as error:
        raise HubError(_explain(what, error)) from error
    except RuntimeError as error:
        if isinstance(_underlying(error), errors.HfHubHTTPError | httpx.HTTPError):
            raise HubError(_explain(what, _underlying(error))) from error
        raise


def _explain(what: str, error: BaseException) -> str:
    """The sentence about a failure. It never holds a token, which no answer of the Hub repeats."""
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
        if is_temporary(error):
            return f"{what} is not in the local cache, and {_failure(error)}; {_try_later(error)}."
        return f"{what} is not in the local cache, and the Hub can't be reached; check the network."
    if is_temporary(error):
        return f"{what}: {_failure(error)}; {_try_later(error)}."
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


def _try_later(error: BaseException) -> str:
    """When to try again; without a token the Hub allows fewer requests, which is said where the wait is long."""
    from huggingface_hub import get_token

    wait = _wait(error, 1)
    if wait is None or wait <= LONGEST_WAIT:
        return "try again later"
    raised = (
        f", or with a token, which raises the limit: {_LOGIN}" if status_of(error) == 429 and not get_token() else ""
    )
    return f"try again in {wait:g} s{raised}"


def limit_silence(seconds: float) -> None:
    """From now on a request that gets no byte for so long fails; without this, huggingface_hub waits for ever.

    It asks for that in some calls by name (`timeout=None`), so a limit of the client alone would not do: the hook sets
    it in every request that has none.
    """
    from huggingface_hub.utils import get_session, httpx, set_client_factory

    ours = "limit_silence"
    hooks = [hook for hook in get_session().event_hooks["request"] if getattr(hook, "__name__", "") != ours]

    def limit(request: httpx.Request) -> None:
        given = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {k: given.get(k) or seconds for k in ("connect", "read", "write", "pool")}

    limit.__name__ = ours

    def factory() -> httpx.Client:
        return httpx.Client(event_hooks={"request": [*hooks, limit]}, follow_redirects=True, timeout=None)

    set_client_factory(factory)
