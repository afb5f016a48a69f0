"""The repository on the Hub: what is there, one commit onto it, and whether all of it arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alignfreeze_cli import __version__
from alignfreeze_cli.artifacts.hub_client import hub_errors, is_temporary, patiently, status_of
from alignfreeze_cli.errors import HubError
from alignfreeze_cli.hub.content import Content, State, Target

T = TypeVar("T")


@dataclass(frozen=True)
class There:
    """What a repository holds: `head` is the commit of the revision, None if the repository is not there yet.

    `files` maps names to SHA-256 or, for files kept in git, git's id. `branch` is False if the revision is new.
    """

    head: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    private: bool | None = None
    branch: bool = True


class Remote:
    """One repository of the Hub. Every call is patient (hubcalls.py) and raises HubError."""

    def __init__(self, target: Target, say: Callable[[str], None]) -> None:
        from huggingface_hub import HfApi

        self.api: Any = HfApi(library_name="alignfreeze", library_version=__version__)
        self.target = target
        self.say = say
        self.place: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        with hub_errors(what), _upload_errors(what):
            return patiently(what, call, self.say)

    def look(self) -> There:
        """What is there now. A revision that does not exist yet would start from main."""
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        what = f"Reading {self.target.repo_id}"
        with hub_errors(what):
            try:
                return self._read(self.target.revision, what)
            except RepositoryNotFoundError:
                return There()
            except RevisionNotFoundError:
                main = self._read("main", what)
                return There(main.head, main.files, main.private, branch=False)

    def _read(self, revision: str, what: str) -> There:
        def call() -> Any:
            return self.api.repo_info(**self.place, revision=revision, files_metadata=True)

        info = patiently(what, call, self.say)
        return There(info.sha, _digests(info), info.private)

    def create(self, private: bool) -> None:
        def call() -> Any:
            return self.api.create_repo(**self.place, private=private, exist_ok=True)

        self._ask(f"Creating {self.target.repo_id}", call)

    def create_branch(self) -> None:
        def call() -> None:
            self.api.create_branch(**self.place, branch=self.target.revision, exist_ok=True)

        self._ask(f"Creating the branch {self.target.revision} of {self.target.repo_id}", call)

    def commit(
        self, states: Mapping[str, State], there: There, title: str, description: str, pull_request: bool
    ) -> Any:
        """One commit with everything that is new, changed or gone; huggingface_hub's CommitInfo, or `Landed`.

        The Hub refuses it (412) if the revision is no longer at `there.head`. An answer may be lost after the commit
        was made, so before every further try it is looked for.
        """
        what = f"Pushing to {self.target.repo_id}"
        before = self._pull_requests() if pull_request else set()

        def call() -> Any:
            try:
                return self.api.create_commit(
                    **self.place,
                    operations=_operations(self.target.contents, states),
                    commit_message=title,
                    commit_description=description,
                    revision=self.target.revision,
                    create_pr=pull_request,
                    parent_commit=there.head,
                )
            except Exception as error:
                if status_of(error) == 412 or is_temporary(error):
                    landed = self._landed(states, there, before, pull_request)
                    if landed is not None:
                        return landed
                raise

        return self._ask(what, call)

    def _landed(self, states: Mapping[str, State], there: There, before: set[str], pull_request: bool) -> Landed | None:
        """The commit that was made though its answer was lost, if there is one that holds exactly what was to come."""
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import httpx

        try:
            for reference in sorted(self._pull_requests() - before) if pull_request else [self.target.revision]:
                info = self.api.repo_info(**self.place, revision=reference, files_metadata=True)
                if info.sha != there.head and not differences(self.target.contents, states, _digests(info)):
                    return Landed(str(info.sha), self._address(reference, str(info.sha)))
        except (HfHubHTTPError, httpx.HTTPError):
            return None  # still unwell: the next try will tell
        return None

    def _pull_requests(self) -> set[str]:
        refs = self.api.list_repo_refs(**self.place, include_pull_requests=True)
        return {ref.ref for ref in refs.pull_requests or []}

    def _address(self, reference: str, commit: str) -> str:
        base = f"{self.api.endpoint}/{'datasets/' if self.target.repo_type == 'dataset' else ''}{self.target.repo_id}"
        if reference.startswith("refs/pr/"):
            return f"{base}/discussions/{reference.removeprefix('refs/pr/')}"
        return f"{base}/commit/{commit}"

    def check(self, commit: str, states: Mapping[str, State]) -> None:
        """Compare every digest at the commit with what was meant to arrive; HubError names what differs."""
        what = f"Checking {self.target.repo_id} at {commit[:12]}"
        with hub_errors(what):
            arrived = self._read(commit, what)
        wrong = differences(self.target.contents, states, arrived.files)
        if wrong:
            raise HubError(f"{what}: {', '.join(wrong)} did not arrive as sent; push again.")

    def tagged(self, tag: str) -> str | None:
        """The commit that a tag names, None if there is no such tag."""

        def call() -> Any:
            return self.api.list_repo_refs(**self.place).tags

        tags = self._ask(f"Reading the tags of {self.target.repo_id}", call)
        return next((str(each.target_commit) for each in tags if each.name == tag), None)

    def tag(self, tag: str, commit: str) -> None:
        """Name a commit; a try whose answer was lost has made the tag, so that it is there is no mistake then."""

        def call() -> None:
            self.api.create_tag(**self.place, tag=tag, revision=commit, exist_ok=True)

        if self.tagged(tag) != commit:
            self._ask(f"Setting the tag {tag} in {self.target.repo_id}", call)

    def collect(self, collection: str) -> str:
        """Put the repository into a collection: a slug (`org/title-0123…`), or a title, made if need be. Its slug."""
        what = f"Adding {self.target.repo_id} to the collection {collection}"

        def call() -> str:
            slug = collection
            if "/" not in collection:
                namespace = self.target.repo_id.split("/")[0]
                slug = self.api.create_collection(collection, namespace=namespace, exists_ok=True).slug
            self.api.add_collection_item(slug, self.target.repo_id, self.target.repo_type, exists_ok=True)
            return slug

        return self._ask(what, call)


@dataclass(frozen=True)
class Landed:
    """A commit that was found, with what is used of huggingface_hub's CommitInfo."""

    oid: str
    commit_url: str

    @property
    def pr_url(self) -> str | None:
        return self.commit_url if "/discussions/" in self.commit_url else None


def _digests(info: Any) -> dict[str, str]:
    """Name → SHA-256 of every file of a repository or, for those kept in git, git's id."""
    return {each.rfilename: each.lfs.sha256 if each.lfs else each.blob_id for each in info.siblings or []}


def differences(contents: Mapping[str, Content], states: Mapping[str, State], arrived: Mapping[str, str]) -> list[str]:
    """Names of the files that are not on the Hub as they should be."""
    wrong = [name for name, each in contents.items() if arrived.get(name) not in (each.sha256, each.git_oid)]
    return wrong + [name for name, state in states.items() if state == "gone" and name in arrived]


def _operations(contents: Mapping[str, Content], states: Mapping[str, State]) -> Sequence[Any]:
    """Fresh operations: huggingface_hub changes them while it works, so they serve once."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[Any] = []
    for name, state in states.items():
        if state == "gone":
            operations.append(CommitOperationDelete(name))
        elif state != "same":
            operations.append(CommitOperationAdd(name, contents[name].source))
    return operations


@contextmanager
def _upload_errors(what: str) -> Iterator[None]:
    """Uploads fail with errors of their own: those of Xet, and the Hub's complaints about a card."""
    try:
        yield
    except (ValueError, RuntimeError, ConnectionError, TimeoutError) as error:
        if type(error).__module__.startswith("huggingface_hub"):
            raise  # the table of hubcalls.py knows it
        raise HubError(f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from error
