"""What a step is made from: folders, files or Hub repositories, resolved to a path and a digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.deleted import deleted_files, deleted_shapes, demand_weights, is_deleted
from alignfreeze_cli.artifacts.files import LARGEST_JSON, content_digest, file_digest, parse_json, read_json
from alignfreeze_cli.artifacts.hub_client import find_conversion, list_files, pull, split_reference
from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.artifacts.record import KINDS, RECORD_NAME, Record, portable, read_record, verify
from alignfreeze_cli.errors import ArtifactError, DataError, HubError
from alignfreeze_cli.phrases import listed

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_WEIGHTS = ("*.safetensors", _INDEX)
TOKENIZER_FILES = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "spm*",
)
_SENTENCE_FILES = ("modules.json", "*_Pooling/config.json", "*_Dense/config.json", "*_Dense/model.safetensors")
"""What a folder of sentence-transformers holds besides the encoder."""
_MODEL_FILES = ("config.json", *_WEIGHTS, *TOKENIZER_FILES)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_OTHER_WEIGHTS = ("*.h5", "*.msgpack", "*.ot", "*.onnx", "*.gguf")
_CONVERT = "convert them to safetensors (docs/models.md has the lines for it)"


@dataclass(frozen=True)
class Input:
    """One resolved input.

    `source` is what the user wrote, `path` where it lies now, `digest` that of its content, `commit` the Hub's,
    `record` its `alignfreeze.json`, if it has one. A model may have lost its weights to `alignfreeze run --keep`: its
    digest is known, but nothing can be made from it (deleted.py).
    """

    name: str
    source: str
    path: Path
    digest: str
    commit: str | None = None
    record: Record | None = None

    @property
    def digests(self) -> set[str]:
        """Its digest, and those of the folders that it stands for (`Record.earlier`)."""
        earlier = self.record.earlier if self.record is not None and self.record.digest == self.digest else ()
        return {self.digest, *earlier}

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the record of what is made from it."""
        kind = {"kind": self.record.kind} if self.record else {}
        commit = {"commit": self.commit} if self.commit else {}
        return {"name": self.name, "source": portable(self.source), "digest": self.digest, **kind, **commit}


def resolve_encoder(reference: str, name: str = "model", of_sentences: bool = False) -> Input:
    """An encoder: a folder with `config.json` and safetensors weights, or a Hub id `org/name@revision`.

    With `of_sentences` the files that say how vectors of sentences are made belong to its digest, if there are any.
    Raises ArtifactError for a folder of another kind, a missing or damaged file or weights that are pickles; HubError.
    """
    further = _SENTENCE_FILES if of_sentences else ()
    folder, commit = _fetch(reference, *files_of("encoder", of_sentences))
    record = read_record(folder)
    if record is not None:
        _demand(record, ("encoder",), folder)
    found = _model_input(name, reference, folder, commit, record)
    paths = sorted({path for pattern in further for path in folder.glob(pattern) if path.is_file()})
    if not paths:
        return found
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    return replace(found, digest=content_digest(digests | {"encoder": found.digest}))


def resolve_shape(reference: str) -> Path:
    """A folder with the `config.json` of a model, here or on the Hub, of which nothing else is fetched.

    Raises ArtifactError, HubError.
    """
    return _fetch(reference, ["config.json"], "model")[0]


def resolve_artifact(reference: str, kind: str, name: str | None = None) -> Input:
    """A folder of a certain kind, made by another step, here or on the Hub.

    Raises ArtifactError if it is of another kind (both are named) or a file differs from its digest; HubError.
    """
    folder, commit = _fetch(reference, *files_of(kind))
    record = read_record(folder)
    if record is None:
        raise ArtifactError(
            f"is no {kind} folder: it has no {RECORD_NAME}; `alignfreeze {KINDS[kind]}` makes one", folder
        )
    _demand(record, (kind,), folder)
    if kind in ("encoder", "task-model"):
        return _model_input(name or "model", reference, folder, commit, record)
    verify(folder, record)
    return Input(name or kind, reference, folder, record.digest, commit, record)


def files_of(kind: str, of_sentences: bool = False) -> tuple[list[str], str]:
    """Patterns of the files in a repository that make up an artifact of a kind, and the repository's type on the Hub.

    `of_sentences`: with those that say how vectors of sentences are made.
    """
    if kind == "pairs":
        return ["data/*", "statistics.json", RECORD_NAME], "dataset"
    if kind == "aligner":
        return ["*/*", RECORD_NAME], "model"
    further = (*(_SENTENCE_FILES if of_sentences else ()), *(("predictions/*", "scores.json") * (kind != "encoder")))
    return [*_MODEL_FILES, *further, RECORD_NAME], "model"


def resolve_files(name: str, source: str, paths: Sequence[Path]) -> Input:
    """Data files; the digest covers their bytes in the order given, not their names."""
    for path in paths:
        if not path.is_file():
            raise DataError("no such file", path)
    digests = {f"{position:06d}": file_digest(path) for position, path in enumerate(paths)}
    parent = paths[0].parent if paths else Path()
    return Input(name, source, parent, content_digest(digests))


def _fetch(reference: str, patterns: Sequence[str], repo_type: str) -> tuple[Path, str | None]:
    """The folder a reference means, and the commit if it came from the Hub.

    Of what may be a mistyped path, a Hub that can't be reached is not waited for. Raises ArtifactError or HubError,
    with the name of a folder that is alike.
    """
    folder = local_folder(reference)
    if folder is not None:
        return folder, None
    path = Path(reference).expanduser()
    alike = path_alike(path, files=False)
    maybe_path = bool(alike) or ("/" in reference and path.parent.is_dir())
    try:
        return pull(reference, patterns, repo_type, maybe_path)
    except HubError as error:
        said = f"{reference} is no folder here, and on the Hub: {error}"
        raise HubError(said.rstrip(".") + alike if alike else said) from error


def local_folder(reference: str) -> Path | None:
    """The folder that a reference means; None where it means a repository of the Hub.

    What can only be a path, or is like one that is here, does not. Raises ArtifactError, with the name of the folder
    that is alike, if there is none of that name.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise ArtifactError("is a file; a folder or a Hub id is needed", folder)
    alike = path_alike(folder, files=False)
    if folder.is_absolute() or reference.startswith((".", "~")) or split_reference(reference) is None:
        no_id = "" if folder.is_absolute() else ", nor can it be a Hub id (org/name or org/name@revision)"
        raise ArtifactError(f"no such folder{no_id}{alike}", reference)
    # Repositories without org/ are old ones, nearly all with a hyphen: bert-base-cased.
    beside = folder.parent.is_dir() if "/" in reference else "-" not in reference
    if alike and beside and "@" not in reference:
        raise ArtifactError(f"no such folder (a repository of the Hub would be {reference}@main){alike}", reference)
    return None


def _demand(record: Record, kinds: Sequence[str], folder: Path) -> None:
    if record.kind not in kinds:
        made_by = f"`alignfreeze {KINDS[record.kind]}`" if record.kind in KINDS else "another version"
        raise ArtifactError(
            f"holds {_a(record.kind)}, made by {made_by}, but {_a(kinds[0])} is needed here, "
            f"made by `alignfreeze {KINDS[kinds[0]]}`",
            folder,
        )


def _a(kind: str) -> str:
    if kind in ("pairs", "scores"):
        return kind
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def _model_input(name: str, reference: str, folder: Path, commit: str | None, record: Record | None) -> Input:
    """Check that a model's files are there and whole, and digest them."""
    place = folder if commit is None else reference
    if not (folder / "config.json").is_file():
        adapter = "; it holds a LoRA adapter alone" if (folder / "adapter_config.json").is_file() else ""
        raise ArtifactError(f"is no model folder: it has no config.json{adapter}", place)
    if commit is not None and not any((folder / name).is_file() for name in (_SINGLE, _INDEX)):
        raise ArtifactError(_without_weights(reference, commit), reference)
    weight_shapes(folder)
    files = {path.name for path in folder.iterdir() if is_model_file(path.name) and path.is_file()}
    if record is None:
        return Input(name, reference, folder, content_digest({f: file_digest(folder / f) for f in files}), commit)
    recorded = {file for file in record.files if is_model_file(file)}
    verify(folder, record, sorted(recorded - deleted_files(folder)))
    if added := sorted(files - recorded):
        # Another file of a tokenizer makes another model, of which the record knows nothing.
        raise ArtifactError(f"is not among the files that {RECORD_NAME} lists; remove it", folder / added[0])
    return Input(name, reference, folder, record.digest, commit, record)


def is_model_file(name: str) -> bool:
    """Whether a file of a folder belongs to the model in it: configuration, weights or tokenizer."""
    return "/" not in name and any(fnmatchcase(name, pattern) for pattern in _MODEL_FILES)


def _without_weights(reference: str, commit: str) -> str:
    """What to do about a repository without safetensors weights, of which only those were fetched."""
    repo, _ = split_reference(reference) or (reference, None)
    files = [name for name in list_files(repo, commit) if "/" not in name]
    pickles = [name for name in files if any(fnmatchcase(name, pattern) for pattern in _PICKLES)]
    others = [name for name in files if any(fnmatchcase(name, pattern) for pattern in _OTHER_WEIGHTS)]
    if not pickles:
        only = f", only {others[0]}" if others else ""
        return f"has no safetensors weights (model.safetensors){only}; {_CONVERT}"
    held = f"holds its weights as pickles only ({listed(pickles, 2)}), which can run code when read"
    if (found := find_conversion(repo)) is None:
        return f"{held}; {_CONVERT}"
    revision, author = found
    return f"{held}; {author} has converted them in a pull request: give {repo}@{revision}, or {_CONVERT}"


def weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor of a model folder, read from the headers of its safetensors files.

    Raises ArtifactError for a folder without them, and for a truncated or foreign file, before anything large is read.
    Those of weights that `alignfreeze run --keep` has deleted are still known.
    """
    if is_deleted(folder):
        return deleted_shapes(folder)
    shapes: dict[str, list[int]] = {}
    for path in weight_files(folder):
        shapes |= _tensor_shapes(path)
    return shapes


def weight_files(folder: Path) -> list[Path]:
    """The safetensors file of a model folder, or its shards as the index lists them. Raises ArtifactError."""
    demand_weights(folder)
    index = folder / _INDEX
    paths = [folder / _SINGLE]
    if not paths[0].is_file() and index.is_file():
        try:
            names = read_json(index, "fetch it again")["weight_map"].values()
            paths = sorted({folder / Path(name).name for name in names})
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"is no index of weights ({type(error).__name__}); fetch it again", index) from error
    elif not paths[0].is_file():
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        held = f"holds its weights as a pickle ({pickles[0]}), which can run code when read" if pickles else ""
        raise ArtifactError(f"{held or 'has no safetensors weights (model.safetensors)'}; {_CONVERT}", folder)
    return paths


def _tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor of a safetensors file, whose size must be what its header says."""
    if not path.is_file():
        raise ArtifactError("is missing, or is no file", path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(length)) if length < min(size, LARGEST_JSON) else None
        tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}  # type: ignore[union-attr]
        shapes = {key: [int(side) for side in entry["shape"]] for key, entry in tensors.items()}
        whole = next((key for key, entry in tensors.items() if _is_quantised(key, entry["dtype"])), None)
        end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ArtifactError("is no safetensors file, or its header is cut off; fetch or make it again", path) from None
    if whole is not None:
        raise ArtifactError(f"holds {whole} as {tensors[whole]['dtype']}; quantised weights are not read", path)
    if 8 + length + end != size:
        raise ArtifactError(
            f"is truncated or damaged: {size:,} bytes, not {8 + length + end:,} as its header says; fetch it again",
            path,
        )
    return shapes


def _is_quantised(name: str, dtype: str) -> bool:
    """Whether a parameter is stored in whole numbers or booleans; buffers such as position ids may be."""
    return name.endswith((".weight", ".bias")) and dtype.startswith(("I", "U", "BOOL"))
