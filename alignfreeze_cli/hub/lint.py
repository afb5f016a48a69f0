"""The checks before a push: what must not leave the machine, and what the Hub would refuse.

Secrets in any file, pickles anywhere in the folder, paths of a machine in the card, the records and the configurations,
and metadata that the Hub does not take. A finding never repeats the secret itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from alignfreeze_cli.artifacts.hub_client import is_repository_id

_PICKLE_NAMES = {
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".joblib",
    ".dill",
    ".npy",
    ".npz",
    ".h5",
    ".msgpack",
}
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
_SECRETS = {
    "a Hugging Face token": rb"\b(?:hf|api_org)_[A-Za-z0-9]{20,}",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a cloud access key": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}",
    "an API key": rb"\bsk-[A-Za-z0-9_-]{24,}|\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a bearer token": rb"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{20,}",
    "a password in an address": rb"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:[^\s/@'\"]{3,}@",
    "a password or token": rb"(?i)\b(?:password|passwd|secret|api[_-]?key|(?:access|auth|hf)[_-]?token)[\"']?\s*[:=]\s*"
    rb"[\"']?(?!None|null|true|false)[^\s\"'`,}{$<]{8,}",
}
_SECRET = {what: re.compile(pattern) for what, pattern in _SECRETS.items()}
_ROOTS = (
    "home|Users|root|tmp|var|mnt|media|data|work|workspace|opt|srv|usr|scratch|private|content|kaggle|nfs|gpfs|lustre|"
    "project|projects|cluster|fast|gs|dbfs|storage"
)
_PATH = re.compile(rf"(?<![\w.~…:/}}-])/(?:{_ROOTS})/[^\s\"'`<>|)\]]+|\b[A-Za-z]:\\+[^\s\"'`]+|\bfile://[^\s\"'`]+")
_WITHOUT_PATHS = {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"}
_TEXT = {".md", ".json", ".jsonl", ".txt", ".svg", ".yaml", ".yml"}
# What the Hub takes as languages: ISO 639-1, or three letters (ISO 639-2 and 639-3); qaa to qtz are for private use.
_TWO_LETTERS = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee "
    "el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is "
    "it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms "
    "mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si "
    "sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh "
    "yi yo za zh zu"
)
_PRIVATE = re.compile(r"q[a-t][a-z]")
# What the Hub takes as licences.
_LICENCES = (
    "afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0 "
    "bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 "
    "cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 "
    "cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 "
    "cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 "
    "etalab-2.0 eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 h-research isc "
    "intel-research lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit "
    "mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 open-mdw openrail openrail++ osl-3.0 other pddl postgresql unknown "
    "unlicense wtfpl zlib"
)
LICENCES = tuple(_LICENCES.split())
_UNFINISHED = re.compile(r"more information needed", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing that stops a push; `line` is counted from 1."""

    path: str
    what: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}{f', line {self.line}' if self.line else ''}: {self.what}"


def lint(folder: Path, files: Mapping[str, Path | bytes], token: str | None) -> list[Finding]:
    """Everything that stops the push of `files` (name in the repository → content) from `folder`.

    `token` is the one that would be used: it is looked for in every file.
    """
    found = list(_pickles(folder))
    for name, content in files.items():
        data = _searched(name, content)
        if _PICKLE_START.match(data) and PurePosixPath(name).suffix not in _TEXT:
            found.append(Finding(name, "is a pickle, which can run code when it is read"))
        if name.endswith(".safetensors") and not data.startswith(b"{"):
            found.append(Finding(name, "is no safetensors file"))
        found += _secrets(name, data, token)
        if PurePosixPath(name).suffix in _TEXT and PurePosixPath(name).name not in _WITHOUT_PATHS:
            found += _paths(name, data.decode(errors="replace"))
    card = files.get("README.md")
    if card is None:
        found.append(Finding("README.md", "is missing; `alignfreeze card` makes one"))
    else:
        text = (card if isinstance(card, bytes) else card.read_bytes()).decode()
        found += [Finding("README.md", problem) for problem in metadata_problems(text, files)]
    return list(dict.fromkeys(found))


def metadata_problems(card: str, files: Iterable[str] = ()) -> Iterator[str]:
    """What the Hub would refuse in a card's metadata, and what would be wrong though it took it.

    `files` are the names in the repository, for configurations that name data files.
    """
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    if not REGEX_YAML_BLOCK.search(card):
        yield "has no metadata between two lines of ---"
        return
    try:
        parsed = ModelCard(card)
        data: dict[str, Any] = parsed.data.to_dict()
    except Exception as error:  # YAML's errors, and those of the parser of model-index, share no class
        yield f"has metadata that can't be read: {' '.join(str(error).split())}"
        return
    for code in _listed(data.get("language")):
        if not is_language_code(code):
            yield f"language {code!r} is no ISO 639 code in quotes"
    for licence in _listed(data.get("license")):
        if licence not in LICENCES:
            yield f"license {licence!r} is none that the Hub knows; use `other` with license_name and license_link"
    for key in ("base_model", "datasets", "source_datasets"):
        yield from (f"{key} {each!r} is no id of the Hub" for each in _listed(data.get(key)) if not _is_id(each))
    for key in ("tags", "metrics", "pipeline_tag", "library_name"):
        yield from (f"{key} {each!r} is no text" for each in _listed(data.get(key)) if not isinstance(each, str))
    for result in data.get("model-index", [{}])[0].get("results", []):
        dataset = result["dataset"]
        if not isinstance(dataset.get("config", ""), str) or not isinstance(dataset["name"], str):
            yield f"model-index: configuration and name of {dataset.get('name')!r} must be text, in quotes"
        yield from (f"model-index: {dataset['name']} has no value" for m in result["metrics"] if m.get("value") is None)
    for config in data.get("configs") or []:
        for part in _listed(config.get("data_files")):
            path = part.get("path") if isinstance(part, dict) else part
            if isinstance(path, str) and "*" not in path and files and path not in files:
                yield f"configs: {config.get('config_name')} names {path}, which is not there"
    if _UNFINISHED.search(parsed.text):
        yield "says that more information is needed"


def states_licence(card: Path | bytes) -> bool:
    """Whether the metadata of a card, which can be read, names a licence."""
    from huggingface_hub import ModelCard

    text = (card if isinstance(card, bytes) else card.read_bytes()).decode()
    return bool(ModelCard(text).data.get("license"))


def is_language_code(code: object) -> bool:
    """Whether the Hub takes it as a language; codes for private use, as made-up languages have, are none."""
    if not isinstance(code, str):
        return False
    return code in _TWO_LETTERS.split() or bool(re.fullmatch(r"[a-z]{3}", code) and not _PRIVATE.fullmatch(code))


def metadata_codes(codes: Iterable[str]) -> list[str]:
    """The codes that a card's metadata may have, `zh-CN` as `zh`, each once; the text names the others."""
    bare = (re.split(r"[-_]", code.lower())[0] for code in codes)
    return list(dict.fromkeys(code for code in bare if is_language_code(code)))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and is_repository_id(value)


def _pickles(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() in _PICKLE_NAMES:
            name = path.relative_to(folder).as_posix()
            yield Finding(name, "may be a pickle, which can run code when it is read; move it out of the folder")


def _searched(name: str, content: Path | bytes) -> bytes:
    """The bytes to search: all of a file, of weights only the header (the rest is numbers, and long)."""
    if isinstance(content, bytes):
        return content
    if not name.endswith(".safetensors"):
        return content.read_bytes()
    with content.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(min(length, 100_000_000))


def _secrets(name: str, data: bytes, token: str | None) -> Iterator[Finding]:
    if token and token.encode() in data:
        yield Finding(name, "holds the very token that is used for pushing", _line(data, data.index(token.encode())))
    if PurePosixPath(name).name in _WITHOUT_PATHS:
        return  # vocabularies hold any text
    for what, pattern in _SECRET.items():
        match = pattern.search(data)
        if match:
            yield Finding(name, f"seems to hold {what}", _line(data, match.start()))


def _paths(name: str, text: str) -> Iterator[Finding]:
    """Paths of this or another machine: by their first part, by this user's folders, or as a whole text in JSON."""
    folders = "|".join(re.escape(each) for each in {str(Path.home()), os.getcwd()} - {"/"})
    own = re.compile(rf"(?<![\w.])(?:{folders})(?!\w)")
    for number, line in enumerate(text.splitlines(), start=1):
        match = _PATH.search(line) or (own.search(line) if folders else None)
        if match:
            yield Finding(name, f"holds the path of a machine ({match[0]})", number)
    if name.endswith(".json"):
        try:
            values = list(_texts(json.loads(text)))
        except (ValueError, RecursionError):
            yield Finding(name, "is no valid JSON")
            return
        for value in values:
            if re.fullmatch(r"/[^\s/]+(/[^/\n]+)+/?", value) and not _PATH.search(value):
                yield Finding(name, f"holds the path of a machine ({value})")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _line(data: bytes, at: int) -> int | None:
    return data.count(b"\n", 0, at) + 1 if b"\0" not in data[:1024] else None
