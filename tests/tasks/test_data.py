"""Where data comes from: the Hub's conversion of a data set, through real HTTP, one commit for all languages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.data import find_data, find_file
from alignfreeze_cli.tasks.pos import HUB_LABELS, REPACKAGED, REPACKAGED_VERSION
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings
from tests.support.hubserver import HubServer
from tests.tasks.test_ner import hub_table as wikiann
from tests.tasks.test_nli import hub_table as xnli
from tests.tasks.test_pos import hub_table, repackaged_table
from tests.tasks.worlds import conllu

REPOSITORY = "universal-dependencies/universal_dependencies"
REVISION = "refs/convert/parquet"
CODE = """
import json, sys
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.data import find_data
task = TASKS[sys.argv[2]]
class Talk(Console):
    def warn(self, text):
        print("warned:", text)
try:
    found = find_data(task, sys.argv[1].split(","), None, "test", "--data", Talk())
    read = {s.language: len(list(task.read(s.paths, s.language, task.defaults))) for s in found}
    print(json.dumps([read, [s.to_dict() for s in found]]))
except AlignFreezeError as error:
    print(json.dumps([error.exit_code, str(error)]))
assert "torch" not in sys.modules
"""


def told(hub: HubServer, home: Path, languages: str, task: str = "pos", **environment: str) -> list[str]:
    """What a fresh process says, its result last; it stays without torch, so it is quick."""
    command = [sys.executable, "-c", CODE, languages, task]
    done = subprocess.run(command, env=hub.environment(home, **environment), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def found(hub: HubServer, home: Path, languages: str, task: str = "pos", **environment: str):
    """What a fresh process finds, and nothing else is said."""
    (result,) = told(hub, home, languages, task, **environment)
    return json.loads(result)


def converted(folder: Path, pattern: str, *treebanks: str) -> dict[str, str | bytes]:
    """Treebanks of the Hub's conversion, two sentences each; `pattern` is the layout."""
    det, noun = HUB_LABELS.index("DET"), HUB_LABELS.index("NOUN")
    data = hub_table(folder / "x.parquet", [[det, noun], [noun]], [["2", "0"], ["0"]]).read_bytes()
    return {pattern.format(treebank, split="test"): data for treebank in treebanks} | {
        pattern.format(treebank, split="train"): b"not asked for" for treebank in treebanks
    }


NEW, OLD = "{}/{split}/0000.parquet", "{}/universal_dependencies-{split}.parquet"


def repackaged(folder: Path, *treebanks: str) -> dict[str, str | bytes]:
    data = repackaged_table(folder / "y.parquet", [["DET", "NOUN"], ["NOUN"], ["X"]], names=True).read_bytes()
    return {f"parquet/{treebank}/test.parquet": data for treebank in treebanks}


@pytest.mark.slow
def test_reads_the_hubs_treebanks_at_one_commit_and_again_offline(hub: HubServer, tmp_path: Path) -> None:
    files = converted(tmp_path, NEW, "en_ewt", "de_gsd", "fr_gsd")
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
    assert "commul/universal_dependencies@2.17 is not in the local cache, and the Hub can't be reached" in sentence
    assert "name its folder with --data." in sentence


@pytest.mark.slow
def test_reads_the_older_layout_of_the_conversion_and_both_at_once(hub: HubServer, tmp_path: Path) -> None:
    files = converted(tmp_path, OLD, "en_ewt", "de_gsd") | converted(tmp_path, NEW, "fr_gsd")
    commit = hub.add(REPOSITORY, files, kind="dataset", reference=REVISION)
    read, sources = found(hub, tmp_path, "en,de,fr")
    assert read == {"en": 2, "de": 2, "fr": 2}
    assert {each["commit"] for each in sources} == {commit.oid}
    assert [each["source"].removeprefix(REPOSITORY) for each in sources] == [
        "/en_ewt/universal_dependencies-test*.parquet",
        "/de_gsd/universal_dependencies-test*.parquet",
        "/fr_gsd/test/*.parquet",
    ]
    # The repository is looked at once, not once per language or layout.
    assert len(hub.asked("GET", "/api/datasets/.*/(revision|tree)/")) == 2
    assert not hub.asked("GET", REPACKAGED)


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["repository", "revision", "treebank"])
def test_reads_the_repackaged_version_where_the_conversion_is_gone_and_says_so(
    hub: HubServer, tmp_path: Path, gone: str
) -> None:
    if gone != "repository":
        hub.add(REPOSITORY, {"universal_dependencies.py": "raise SystemExit"}, kind="dataset")
    if gone == "treebank":
        hub.add(REPOSITORY, converted(tmp_path, NEW, "en_ewt"), kind="dataset", reference=REVISION)
    files = repackaged(tmp_path, "en_ewt", "cs_pdtc", "de_gsd")
    hub.add(REPACKAGED, {"README.md": "later"}, kind="dataset")
    commit = hub.add(REPACKAGED, files, kind="dataset", reference=f"refs/heads/{REPACKAGED_VERSION}")
    warned, result = told(hub, tmp_path, "en,cs,de")
    read, sources = json.loads(result)
    assert read == {"en": 3, "cs": 3, "de": 3}  # all from one version, though one may have had a language
    assert [each["source"] for each in sources] == [f"{REPACKAGED}/{name}" for name in files]
    assert [each["commit"] for each in sources] == [commit.oid] * 3
    assert warned.startswith(f"warned: {REPOSITORY}")
    assert f"Instead, Universal Dependencies is read from {REPACKAGED}@2.17: it is UD 2.17, and the published" in warned
    assert len(hub.asked("GET", f"/api/datasets/{REPOSITORY}")) <= 2
    hub.die()
    assert json.loads(told(hub, tmp_path, "en,cs,de", HF_HUB_OFFLINE="1")[-1]) == [read, sources]
    if gone == "revision":  # unreachable, without a word about being offline
        assert json.loads(told(hub, tmp_path, "en,cs,de")[-1]) == [read, sources]


@pytest.mark.slow
def test_what_is_gone_from_the_hub_is_read_from_the_cache(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPACKAGED, repackaged(tmp_path, "en_ewt"), "dataset", f"refs/heads/{REPACKAGED_VERSION}")
    hub.add(REPOSITORY, {"universal_dependencies.py": "raise SystemExit"}, kind="dataset")
    hub.add(REPOSITORY, converted(tmp_path, NEW, "en_ewt"), kind="dataset", reference=REVISION)
    before = found(hub, tmp_path, "en")
    del hub.repository(REPOSITORY, "dataset").references[REVISION]
    warned, result = told(hub, tmp_path, "en")
    assert json.loads(result) == before
    assert (
        f"the repository has no such revision. The copy in the cache is read, commit {before[1][0]['commit'][:12]}."
        in warned
    )


@pytest.mark.slow
def test_a_hub_in_trouble_is_no_reason_to_read_another_version(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPACKAGED, repackaged(tmp_path, "en_ewt"), "dataset", f"refs/heads/{REPACKAGED_VERSION}")
    hub.fail("GET", f"/api/datasets/{REPOSITORY}", times=99, status=429, headers={"Retry-After": "600"})
    (result,) = told(hub, tmp_path, "en")
    exit_code, sentence = json.loads(result)
    assert exit_code == 4
    assert "slow down (429)" in sentence
    assert not hub.asked("GET", f"{REPACKAGED}/resolve")


@pytest.mark.slow
def test_where_no_version_is_on_the_hub_a_local_one_is_named(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPOSITORY, converted(tmp_path, NEW, "en_ewt"), kind="dataset", reference=REVISION)
    hub.add(REPACKAGED, repackaged(tmp_path, "en_ewt"), "dataset", f"refs/heads/{REPACKAGED_VERSION}")
    exit_code, sentence = found(hub, tmp_path, "en,de,fr")
    assert exit_code == 4
    assert (
        f"{REPOSITORY}@{REVISION} holds no de_gsd/test/*.parquet or de_gsd/universal_dependencies-test*.parq"
        in sentence
    )
    assert f"{REPACKAGED}@2.17 holds no parquet/de_gsd/test.parquet" in sentence
    assert "To go on without the Hub, download a version of Universal Dependencies (2.7 for the published" in sentence
    assert sentence.endswith("unpack it, and name its folder with --data.")


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


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version of Universal Dependencies as it is unpacked, of a few treebanks."""
    names = {
        "UD_English-EWT": ("en_ewt-ud-test", "en_ewt-ud-train"),
        "UD_English-GUM": ("en_gum-ud-test",),
        "UD_Czech-PDTC": ("cs_pdtc-ud-train-la", "cs_pdtc-ud-train-mw"),
        "UD_Dutch-Alpino": ("nl_alpino-ud-test",),
        "UD_Wolof-A": ("wo_a-ud-test",),
        "UD_Wolof-B": ("wo_b-ud-test",),
    }
    files = [f"{folder}/{name}" for folder, some in names.items() for name in some]
    for number, name in enumerate(files):
        path = tmp_path / "ud" / f"{name}.conllu"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(conllu([[("a", "DET")]] * (number + 1)), encoding="utf-8")
    return tmp_path / "ud"


def test_a_folder_may_be_a_version_of_universal_dependencies(version: Path) -> None:
    pos = TASKS["pos"]
    english, dutch = find_data(pos, ["en", "nl"], str(version), "test", "--data", Console())
    assert english.paths == (version / "UD_English-EWT/en_ewt-ud-test.conllu",)  # the paper's of several
    assert dutch.title == "nl_alpino-ud-test.conllu"  # the only one
    (czech,) = find_data(pos, ["cs"], str(version), "train", "--train", Console())
    assert [path.name for path in czech.paths] == ["cs_pdtc-ud-train-la.conllu", "cs_pdtc-ud-train-mw.conllu"]
    assert czech.title == "cs_pdtc-ud-train-la.conllu and cs_pdtc-ud-train-mw.conllu"
    assert len(list(pos.read(czech.paths, "cs", pos.defaults))) == 4 + 5
    for language, sentence in (
        ("wo", r"holds several treebanks of 'wo' \(UD_Wolof-A/wo_a and UD_Wolof-B/wo_b\); name a file"),
        ("cs", r"holds no cs_pdt-ud-test.conllu or cs_pdtc-ud-test.conllu"),
        ("*", r"holds no \[\*\]_\*-ud-test.conllu"),
    ):
        with pytest.raises(DataError, match=sentence):
            find_data(pos, [language], str(version), "test", "--data", Console())
    with pytest.raises(DataError, match="is a folder; the task nli needs a file"):
        find_data(TASKS["nli"], ["en"], str(version), "test", "--data", Console())


def test_a_folder_serves_several_languages(version: Path) -> None:
    assert EvaluateSettings(model="m", data=str(version), languages=("en", "nl")).data == str(version)
