"""Where data comes from: the Hub's conversion of a data set, through real HTTP, one commit for all languages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.data import find_file
from alignfreeze_cli.tasks.pos import HUB_LABELS
from tests.support.hubserver import HubServer
from tests.tasks.test_ner import hub_table as wikiann
from tests.tasks.test_nli import hub_table as xnli
from tests.tasks.test_pos import hub_table

REPOSITORY = "universal-dependencies/universal_dependencies"
REVISION = "refs/convert/parquet"
CODE = """
import json, sys
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.data import find_data
task = TASKS[sys.argv[2]]
try:
    found = find_data(task, sys.argv[1].split(","), None, "test", "--data", Console())
    read = {s.language: len(task.read(s.paths, s.language, task.defaults)) for s in found}
    print(json.dumps([read, [s.to_dict() for s in found]]))
except AlignFreezeError as error:
    print(json.dumps([error.exit_code, str(error)]))
assert "torch" not in sys.modules
"""


def found(hub: HubServer, home: Path, languages: str, task: str = "pos", **environment: str):
    """What a fresh process finds; it stays without torch, so it is quick."""
    command = [sys.executable, "-c", CODE, languages, task]
    done = subprocess.run(command, env=hub.environment(home, **environment), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_reads_the_hubs_treebanks_at_one_commit_and_again_offline(hub: HubServer, tmp_path: Path) -> None:
    det, noun = HUB_LABELS.index("DET"), HUB_LABELS.index("NOUN")
    files = {}
    for treebank in ("en_ewt", "de_gsd", "fr_gsd"):
        path = hub_table(tmp_path / "0000.parquet", [[det, noun], [noun]], [["2", "0"], ["0"]])
        files[f"{treebank}/test/0000.parquet"] = path.read_bytes()
        files[f"{treebank}/train/0000.parquet"] = b"not asked for"
    hub.add(REPOSITORY, {"universal_dependencies.py": "raise SystemExit"}, kind="dataset")
    commit = hub.add(REPOSITORY, files, kind="dataset", reference=REVISION)
    read, told = online = found(hub, tmp_path, "en,de")
    assert read == {"en": 2, "de": 2}
    assert [each["commit"] for each in told] == [commit.oid] * 2
    assert told[1]["source"] == f"{REPOSITORY}/de_gsd/test/*.parquet"
    fetched = [seen.path for seen in hub.asked("GET", "/resolve/")]
    assert not any("train" in path or "fr_gsd" in path for path in fetched), fetched
    hub.die()
    assert found(hub, tmp_path, "en,de", HF_HUB_OFFLINE="1") == online
    exit_code, sentence = found(hub, tmp_path, "fr", HF_HUB_OFFLINE="1")
    assert exit_code == 4
    assert "is not in the local cache, and offline mode is on" in sentence
    # Without a word about being offline, and with nothing in the cache, it is the network.
    exit_code, sentence = found(hub, tmp_path / "other", "en")
    assert exit_code == 4
    assert REPOSITORY in sentence


@pytest.mark.parametrize(
    ("task", "repository", "make", "rows"),
    [
        ("ner", "unimelb-nlp/wikiann", wikiann, [[0, 1, 2], [5], [0]]),
        ("nli", "facebook/xnli", xnli, [0, 1, 2, 2]),
    ],
)
def test_reads_the_hubs_entities_and_inferences(
    hub: HubServer, tmp_path: Path, task: str, repository: str, make, rows: list
) -> None:
    files = {}
    for folder in ("en", "de", "fr", "all_languages"):
        for name in ("test-00000-of-00001", "train-00000-of-00001", "validation-00000-of-00001"):
            asked = name.startswith("test") and folder in ("en", "de")
            files[f"{folder}/{name}.parquet"] = (
                make(tmp_path / "x.parquet", rows).read_bytes() if asked else b"not asked for"
            )
    commit = hub.add(repository, files, kind="dataset")
    read, told = found(hub, tmp_path, "en,de", task)
    assert read == {"en": len(rows), "de": len(rows)}
    assert [each["commit"] for each in told] == [commit.oid] * 2
    assert told[1]["source"] == f"{repository}/de/test-*.parquet"
    exit_code, sentence = found(hub, tmp_path, "el" if task == "nli" else "xx", task)
    assert exit_code == 4
    assert f"{repository} holds no" in sentence


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "en[1].conllu").write_text("x")
    (tmp_path / "en1.conllu").write_text("x")
    assert find_file(str(tmp_path / "{language}[1].conllu"), "en", "--data") == tmp_path / "en[1].conllu"
    with pytest.raises(DataError, match=r"no such file for the language 'de' \(--data\)"):
        find_file(str(tmp_path / "{language}[1].conllu"), "de", "--data")
    assert find_file(str(tmp_path / "{language}?.conllu"), "en", "--data") == tmp_path / "en1.conllu"
