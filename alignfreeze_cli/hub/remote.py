"""A repository on the Hub: read what it holds, make one commit, check that all of it arrived, tag, collect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alignfreeze_cli import __version__
from alignfreeze_cli.artifacts.hub_client import hub_errors, is_temporary, status_of, with_retries
from alignfreeze_cli.errors import HubError
from alignfreeze_cli.hub.content import FileState, Target

T = TypeVar("T")
FileStates = Mapping[str, FileState]


@dataclass(frozen=True)
class Snapshot:
    """What a repository holds at a revision: `head` is its commit, None if the repository does not exist yet.

    `files` maps names to SHA-256 or, for files kept in git, git's id. `branch` is False if the revision does not exist
    yet; the files are then those of main, from which it will start.
    """

    head: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    private: bool | None = None
    branch: bool = True


@dataclass(frozen=True)
class Commit:
    """A commit on the Hub: its id, its page, and a revision under which it can be read."""

    oid: str
    url: str
    revision: str


class Remote:
    """The repository and revision that a target is pushed to.

    Every call tries again what may pass (`warn` says so each time), and raises HubError.
    """

    def __init__(self, target: Target, warn: Callable[[str], None]) -> None:
        from huggingface_hub import HfApi

        self.api: Any = HfApi(library_name="alignfreeze", library_version=__version__)
        self.target = target
        self.warn = warn
        self.repository: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}

    def read(self) -> Snapshot:
        """What the repository holds now at the target's revision."""
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        what = f"Reading {self.target.repo_id}"
        with hub_errors(what):
            try:
                return self._read(self.target.revision, what)
            except RepositoryNotFoundError:
                return Snapshot()
            except RevisionNotFoundError:
                main = self._read("main", what)
                return Snapshot(main.head, main.files, main.private, branch=False)

    def create(self, private: bool) -> None:
        def call() -> None:
            self.api.create_repo(**self.repository, private=private, exist_ok=True)

        self._request(f"Creating {self.target.repo_id}", call)

    def create_branch(self) -> None:
        def call() -> None:
            self.api.create_branch(**self.repository, branch=self.target.revision, exist_ok=True)

        self._request(f"Creating the branch {self.target.revision} of {self.target.repo_id}", call)

    def commit(self, states: FileStates, before: Snapshot, title: str, description: str, pull_request: bool) -> Commit:
        """One commit with everything that is new, changed or gone.

        The Hub refuses it (412) if the revision is no longer at `before.head`. An answer may be lost after the commit
        was made, so before every further try it is looked for.
        """
        what = f"Pushing to {self.target.repo_id}"
        old_requests = self._request(what, self._pull_requests) if pull_request else set()

        def call() -> Commit:
            try:
                made = self.api.create_commit(
                    **self.repository,
                    operations=self._operations(states),
                    commit_message=title,
                    commit_description=description,
                    revision=self.target.revision,
                    create_pr=pull_request,
                    parent_commit=before.head,
                )
            except Exception as error:
                if status_of(error) == 412 or is_temporary(error):
                    found = self._find_commit(states, before, old_requests, pull_request)
                    if found is not None:
                        return found
                raise
            revision = made.pr_revision if made.pr_url else made.oid
            return Commit(str(made.oid), str(made.pr_url or made.commit_url), str(revision))

        return self._request(what, call)

    def check(self, commit: Commit, states: FileStates) -> None:
        """Compare every digest at the commit with what was meant to arrive; HubError names what differs."""
        what = f"Checking {self.target.repo_id} at {commit.revision[:12]}"
        with hub_errors(what):
            arrived = self._read(commit.revision, what)
        if wrong := self._differences(states, arrived.files):
            raise HubError(f"{what}: {', '.join(wrong)} did not arrive as sent; push again.")

    def tagged(self, tag: str) -> str | None:
        """The commit that a tag names, None if there is no such tag."""

        def call() -> Any:
            return self.api.list_repo_refs(**self.repository).tags

        tags = self._request(f"Reading the tags of {self.target.repo_id}", call)
        return next((str(each.target_commit) for each in tags if each.name == tag), None)

    def tag(self, tag: str, commit: str) -> None:
        """Give a commit a tag; it is no error if it has it already."""

        def call() -> None:
            self.api.create_tag(**self.repository, tag=tag, revision=commit, exist_ok=True)

        if self.tagged(tag) != commit:
            self._request(f"Setting the tag {tag} in {self.target.repo_id}", call)

    def collect(self, collection: str) -> None:
        """Put the repository into a collection: a slug (`org/title-0123…`), or a title, which is made if need be."""

        def call() -> None:
            slug = collection
            if "/" not in collection:
                namespace = self.target.repo_id.split("/")[0]
                slug = self.api.create_collection(collection, namespace=namespace, exists_ok=True).slug
            self.api.add_collection_item(slug, self.target.repo_id, self.target.repo_type, exists_ok=True)

        self._request(f"Adding {self.target.repo_id} to the collection {collection}", call)

    def _request(self, what: str, call: Callable[[], T]) -> T:
        with _upload_errors(what), hub_errors(what):
            return with_retries(what, call, self.warn)

    def _read(self, revision: str, what: str) -> Snapshot:
        info = with_retries(what, lambda: self._info(revision), self.warn)
        return Snapshot(info.sha, _digests(info), info.private)

    def _info(self, revision: str) -> Any:
        return self.api.repo_info(**self.repository, revision=revision, files_metadata=True)

    def _operations(self, states: FileStates) -> list[Any]:
        """Fresh operations: huggingface_hub changes them while it works, so they serve once."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        gone = [CommitOperationDelete(name) for name, state in states.items() if state == "gone"]
        sent = [name for name, state in states.items() if state in ("new", "changed")]
        return [*(CommitOperationAdd(name, self.target.contents[name].source) for name in sent), *gone]

    def _differences(self, states: FileStates, arrived: Mapping[str, str]) -> list[str]:
        """Names of the files that are not on the Hub as they should be."""
        contents = self.target.contents.items()
        wrong = [name for name, each in contents if arrived.get(name) not in (each.sha256, each.git_oid)]
        return wrong + [name for name, state in states.items() if state == "gone" and name in arrived]

    def _pull_requests(self) -> set[str]:
        refs = self.api.list_repo_refs(**self.repository, include_pull_requests=True)
        return {ref.ref for ref in refs.pull_requests or []}

    def _find_commit(
        self, states: FileStates, before: Snapshot, old_requests: set[str], pull_request: bool
    ) -> Commit | None:
        """The commit that was made though its answer was lost, if there is one that holds exactly what was sent."""
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import httpx

        try:
            for revision in sorted(self._pull_requests() - old_requests) if pull_request else [self.target.revision]:
                info = self._info(revision)
                if info.sha != before.head and not self._differences(states, _digests(info)):
                    kind = "datasets/" if self.target.repo_type == "dataset" else ""
                    number = revision.removeprefix("refs/pr/")
                    page = f"discussions/{number}" if pull_request else f"commit/{info.sha}"
                    url = f"{self.api.endpoint}/{kind}{self.target.repo_id}/{page}"
                    return Commit(str(info.sha), url, revision if pull_request else str(info.sha))
        except (HfHubHTTPError, httpx.HTTPError):
            return None  # the next try of the commit will tell
        return None


def _digests(info: Any) -> dict[str, str]:
    """Name → SHA-256 of every file of a repository or, for those kept in git, git's id."""
    return {each.rfilename: each.lfs.sha256 if each.lfs else each.blob_id for each in info.siblings or []}


@contextmanager
def _upload_errors(what: str) -> Iterator[None]:
    """Uploads also fail with errors of their own: those of Xet, and the Hub's complaints about a card."""
    try:
        yield
    except (ValueError, RuntimeError, ConnectionError, TimeoutError) as error:
        raise HubError(f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from error
