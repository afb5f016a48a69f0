"""push against the Hub on loopback: what arrives, what does not leave, and every way in which it can go wrong."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.hub.cards import write_card
from alignfreeze_cli.hub.settings import PushSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.push import push_folders
from tests.hub.hubworld import Cli, Made, record_of
from tests.support.console import RecordingConsole
from tests.support.hubserver import File, HubServer
from tests.support.hubserver.server import READER
from tests.support.models import save_decoder


@pytest.fixture
def model(made: Made, tmp_path: Path) -> Path:
    """A task model of one's own, its scores beside it."""
    shutil.copytree(made.run(), tmp_path / "run")
    return tmp_path / "run" / "pos"


@pytest.fixture(autouse=True)
def without_faults(made: Made) -> None:
    made.hub.faults.clear()


def remote(hub: HubServer, repo_id: str, kind: str = "model", revision: str = "main") -> dict[str, bytes]:
    return {name: file.data for name, file in hub.repository(repo_id, kind).find(revision).files.items()}


def local(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_decoder_arrives_and_is_fine_tuned_from_there(made: Made, cli: Cli, tmp_path: Path) -> None:
    save_decoder(tmp_path / "base", "llama", "llama 3", pad_token_id=None)
    chosen = ("--pairs", made.pairs, "--steps", "1", "--block", "middle", "--probe-pairs", "2", "--device", "cpu")
    realigned = cli("realign", "--model", tmp_path / "base", *chosen, "--output", tmp_path / "encoder")
    assert realigned.code == 0, realigned.stderr
    pushed = cli("push", tmp_path / "encoder", "--repo-id", "org/decoder", "--yes")
    assert pushed.code == 0, pushed.stderr
    there = remote(made.hub, "org/decoder")
    assert {name: data for name, data in there.items() if name != ".gitattributes"} == local(tmp_path / "encoder")
    chosen = ("--task", "pos", "--steps", "1", "--max-length", "32", "--device", "cpu")
    tuned = cli("finetune", "--model", "org/decoder", *chosen, "--output", tmp_path / "pos")
    assert tuned.code == 0, tuned.stderr
    assert record_of(tmp_path / "pos")["details"]["padding-token"] == "</s>"
    assert "that of the word's last piece" in (tmp_path / "pos" / "README.md").read_text()


def test_a_push_arrives_whole_and_the_next_one_sends_what_changed(made: Made, cli: Cli, model: Path) -> None:
    hub, place = made.hub, ("--repo-id", "org/whole", "--yes")
    first = cli("push", model, *place, "--private", "--tag", "v1", "--collection", "Our models")
    assert first.code == 0, first.stderr
    repository = hub.repository("org/whole")
    scores = {f"scores/{name}": data for name, data in local(model.parent / "pos-scores").items() if "/" not in name}
    git = {".gitattributes": repository.commits[next(iter(repository.commits))].files[".gitattributes"].data}
    assert remote(hub, "org/whole") == local(model) | scores | git
    assert '"org/whole"' in (model / "README.md").read_text(), "the card names its repository"
    assert repository.private
    assert repository.head().title == "bert-base-multilingual-cased, realigned (front), for part-of-speech tagging"
    assert repository.references["refs/tags/v1"] == repository.head().oid
    assert [item["id"] for each in hub.store.collections.values() for item in each["items"]] == ["org/whole"]
    assert f"{hub.url}/org/whole/commit/{repository.head().oid}" in first.stdout

    hub.log.clear()
    again = cli("push", model, *place)
    assert again.code == 0
    assert "nothing changed, nothing pushed" in again.stdout
    assert [seen.method for seen in hub.log] == ["GET"]

    assert cli("push", model, *place, "--tag", "v1").code == 0, "the tag is where it should be"
    (model / "README.md").write_text((model / "README.md").read_text() + "\nA word of mine.\n")
    moved = cli("push", model, *place, "--tag", "v1")
    assert (moved.code, "org/whole has a tag v1 already" in moved.stderr) == (4, True), moved.stderr
    assert not remote(hub, "org/whole")["README.md"].endswith(b"A word of mine.\n"), "found before anything is sent"
    hub.log.clear()
    changed = cli("push", model, *place, "--quiet")
    assert changed.stdout == f"{hub.url}/org/whole/commit/{repository.head().oid}\n"
    assert repository.head().title == "Update README.md"
    assert remote(hub, "org/whole")["README.md"].endswith(b"A word of mine.\n")
    assert not hub.asked("PUT"), "weights that are there are not sent again"

    log = (made.home / "state" / "alignfreeze" / "pushes.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, log) if entry["repository"] == "org/whole"]
    assert [entry["commit"] for entry in entries] == [c.oid for c in reversed(repository.history("main")[:2])]
    assert hub.token not in "".join(log) + first.stdout + first.stderr


def test_scores_of_any_name_travel_with_their_model(made: Made, cli: Cli, model: Path) -> None:
    scores = Path(shutil.move(model.parent / "pos-scores", model.parent.parent / "first"))
    assert "## Scores" not in write_card(model).read_text()
    shutil.move(scores, model.parent)
    scores = model.parent / "first"
    assert cli("push", model, "--repo-id", "org/any-name", "--yes").code == 0
    there = remote(made.hub, "org/any-name")
    assert there["scores/scores.json"] == (scores / "scores.json").read_bytes()
    assert b"## Scores" in there["README.md"]


def test_of_several_scores_none_is_guessed_and_the_push_goes_on(
    made: Made, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Path(shutil.move(model.parent / "pos-scores", model.parent / "first"))
    shutil.copytree(first, model.parent / "second")
    console = RecordingConsole()
    (model / "README.md").unlink()
    monkeypatch.setenv("HF_TOKEN", "a" * 9)
    settings = PushSettings(folders=(model,), repo_id="org/x", dry_run=True)
    (push,) = push_folders(settings, console, lambda _: True)
    several = (
        f"{model}: has several folders of scores beside it; say which are for its card (--scores {first} and "
        f"--scores {model.parent / 'second'})"
    )
    assert console.warned[0] == f"{several}. No scores are pushed with it, and its card says nothing of scores."
    assert "scores/scores.json" not in push.target.contents
    assert b"## Scores" not in push.target.card["README.md"]
    write_card(model, [first])
    (again,) = push_folders(settings, console, lambda _: True)
    assert console.warned[-2] == f"{several}. No scores are pushed with it, and its card keeps what it says of scores."
    assert b"## Scores" in again.target.card["README.md"]
    given = dataclasses.replace(settings, scores=(first,))
    (chosen,) = push_folders(given, RecordingConsole(), lambda _: True)
    assert "scores/scores.json" in chosen.target.contents
    given = dataclasses.replace(settings, baseline=(made.run("baseline") / "pos-scores",))
    with pytest.raises(ArtifactError, match="several folders of scores"):
        push_folders(given, RecordingConsole(), lambda _: True)


def test_scores_on_the_hub_are_neither_removed_nor_left_beside_another_card(
    made: Made, cli: Cli, model: Path, tmp_path: Path
) -> None:
    place = ("--repo-id", "org/several-scores", "--yes")
    assert cli("push", model, *place).code == 0
    head = made.hub.repository("org/several-scores").head()
    first = Path(shutil.move(model.parent / "pos-scores", model.parent / "first"))
    shutil.copytree(first, model.parent / "second")
    refused = cli("push", model, *place)
    assert refused.code == 2, refused.stderr
    assert f"org/several-scores has scores already, and {model}: has several folders" in refused.stderr
    other = shutil.copytree(made.run("baseline"), tmp_path / "other") / "pos"
    refused = cli("push", model, other, *place)
    assert (refused.code, "; push it by itself to do so." in refused.stderr) == (2, True), refused.stderr
    assert made.hub.repository("org/several-scores").head() == head
    assert cli("push", model, *place, "--scores", first).code == 0


@pytest.mark.slow
def test_what_was_pushed_loads_in_a_fresh_process(made: Made, cli: Cli, model: Path, tmp_path: Path) -> None:
    pairs = Path(shutil.copytree(made.pairs, tmp_path / "pairs"))
    assert cli("push", model, "--repo-id", "org/fresh", "--yes").code == 0
    assert cli("push", pairs, "--repo-id", "org/fresh-pairs", "--yes", "--private").code == 0
    code = f"""
import pyarrow.parquet as pq
from datasets import load_dataset
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer
model = AutoModelForTokenClassification.from_pretrained("org/fresh").state_dict()
kept = load_file({str(model / "model.safetensors")!r})
assert model.keys() == kept.keys() and all(model[name].equal(kept[name]) for name in kept)
assert AutoTokenizer.from_pretrained("org/fresh").tokenize("the dog") == ["the", "dog"]
for name in ("en-de", "en-fr"):
    rows = load_dataset("org/fresh-pairs", name)["train"].to_list()
    assert rows == pq.read_table({str(pairs / "data")!r} + f"/{{name}}.parquet").to_pylist() and len(rows) == 60
for place in ("org/fresh-pairs", {str(pairs)!r}):
    everything = load_dataset(place)
    assert list(everything) == ["en_de", "en_fr"] and everything["en_fr"].to_list() == rows
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=made.hub.environment(tmp_path / "empty"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_xet_way_arrives_too(made: Made, model: Path, tmp_path: Path) -> None:
    """As on a user's machine, where hf_xet is installed and nobody turns it off; the storage asks for patience."""
    made.hub.log.clear()
    made.hub.fail("POST", "/v1/shards", status=503)
    command = [sys.executable, "-m", "alignfreeze_cli.cli.app", "push", str(model), "--repo-id", "org/xet", "--yes"]
    env = made.hub.environment(tmp_path, HF_HUB_DISABLE_XET="0")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert made.hub.asked("POST", "/v1/xorbs/default/")
    assert not made.hub.asked("PUT")
    assert remote(made.hub, "org/xet")["model.safetensors"] == (model / "model.safetensors").read_bytes()


def test_a_dry_run_compares_and_sends_nothing(made: Made, cli: Cli, model: Path) -> None:
    before = local(model)
    made.hub.log.clear()
    done = cli("push", model, "--repo-id", "org/dry", "--dry-run", "--format", "json", HF_TOKEN="")
    (plan,) = json.loads(done.stdout)["pushed"]
    assert (plan["status"], plan["commit"]) == ("planned", None)
    assert {row["state"] for row in plan["files"]} == {"new"}
    assert {row["file"] for row in plan["files"]} >= {"README.md", "model.safetensors", "scores/scores.json"}
    assert {seen.method for seen in made.hub.log} == {"GET"}
    assert local(model) == before
    refused = cli("push", model, "--repo-id", "org/dry")
    assert (refused.code, "say --yes to push" in refused.stderr) == (2, True)


def test_offline_a_dry_run_checks_what_can_be_checked_here(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which is offline."""
    console = RecordingConsole()
    monkeypatch.setenv("HF_TOKEN", "a" * 9)
    settings = PushSettings(folders=(model,), repo_id="org/x", dry_run=True, tag="v1", collection="Ours")
    (push,) = push_folders(settings, console, lambda _: True)
    shown = push.to_dict()
    assert (shown["status"], {row["state"] for row in shown["files"]}) == ("unchecked", {"unchecked"})
    assert {row["file"] for row in shown["files"]} >= {"model.safetensors", "scores/scores.json"}
    assert "org/x (model, not looked up), branch main" in "\n".join(console.said)
    assert console.warned == [
        "Offline mode is on (HF_HUB_OFFLINE), so the Hub was not asked whether org/x may be written to, which files "
        "differ from those there, whether the tag v1 is free and whether there is a collection Ours."
    ]
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArtifactError, match="differs from its digest"):
        push_folders(settings, console, lambda _: True)


def test_a_dry_run_that_does_not_reach_the_hub_still_shows_what_is_here(made: Made, cli: Cli, model: Path) -> None:
    made.hub.fail("GET", "org/away/revision", status=429, headers={"Retry-After": "600"})
    done = cli("push", model, "--repo-id", "org/away", "--dry-run")
    assert (done.code, done.stdout) == (4, "")
    assert "unchecked model.safetensors" in done.stderr
    assert "could not be asked whether org/away may be written to and which files" in done.stderr


def test_a_pull_request_leaves_main_alone(made: Made, cli: Cli, model: Path) -> None:
    made.hub.add("org/theirs", {"README.md": "# Theirs\n", "old.safetensors": b"old", "notes.txt": "theirs"})
    head = made.hub.repository("org/theirs").head()
    made.hub.fail("POST", "org/theirs/commit", drop="after")  # the answer gets lost, the pull request is there
    done = cli("push", model, "--repo-id", "org/theirs", "--create-pr", "--yes")
    assert done.code == 0, done.stderr
    assert f"{made.hub.url}/org/theirs/discussions/1" in done.stdout
    assert made.hub.repository("org/theirs").head() == head
    proposed = remote(made.hub, "org/theirs", revision="refs/pr/1")
    assert proposed["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert "old.safetensors" not in proposed, "weights that the folder no longer has go"
    assert proposed["notes.txt"] == b"theirs", "what was never ours stays"
    assert "refs/pr/2" not in made.hub.repository("org/theirs").references


def test_somebody_elses_commit_is_never_overwritten(made: Made, cli: Cli, model: Path) -> None:
    made.hub.add("org/shared", {"README.md": "# First\n"})
    made.hub.fail("POST", "org/shared/preupload", then=lambda: made.hub.add("org/shared", {"README.md": "# Theirs\n"}))
    done = cli("push", model, "--repo-id", "org/shared", "--yes")
    assert done.code == 4
    assert "the repository has changed since it was read" in done.stderr
    assert remote(made.hub, "org/shared")["README.md"] == b"# Theirs\n"


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("", "There is no token for the Hub: log in with `hf auth login`, or set HF_TOKEN."),
        ("-".join(["not", "a", "token"]), "the Hub does not accept the token"),
        (READER, "the token has no right to do this"),
    ],
)
def test_tokens_that_do_not_do(made: Made, cli: Cli, model: Path, token: str, sentence: str) -> None:
    done = cli("push", model, "--repo-id", "org/no-entry", "--yes", HF_TOKEN=token)
    assert (done.code, sentence in done.stderr) == (4, True), done.stderr
    assert not token or token not in done.stderr
    assert ("model", "org/no-entry") not in made.hub.store.repositories


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "Reading org/dry: the Hub does not accept the token; log in"),
        (403, "Reading org/dry: the token has no right"),
    ],
)
def test_a_dry_run_says_that_the_token_was_refused(made: Made, cli: Cli, model: Path, status: int, said: str) -> None:
    message = {"X-Error-Message": "Invalid credentials in Authorization header"}
    made.hub.fail("GET", "org/dry/revision", status=status, headers=message)
    done = cli("push", model, "--repo-id", "org/dry", "--dry-run")
    assert (done.code, said in done.stderr) == (4, True), done.stderr
    assert "could not be asked" not in done.stderr
    assert "unchecked model.safetensors" in done.stderr


def test_what_may_pass_is_waited_for_and_said(made: Made, cli: Cli, model: Path) -> None:
    hub = made.hub
    hub.fail("POST", "repos/create", status=503)
    hub.fail("POST", "org/patient/commit", status=429, headers={"Retry-After": "1"})
    hub.fail("POST", "org/patient/commit", drop="after")
    done = cli("push", model, "--repo-id", "org/patient", "--yes")
    assert done.code == 0, done.stderr
    assert "the Hub answered 503; trying again in 1 s (try 2 of 5)" in done.stderr
    assert "the Hub asks to slow down (429); trying again in 1 s" in done.stderr
    titles = [commit.title for commit in hub.repository("org/patient").history("main")]
    assert len(titles) == 2, "the commit whose answer was lost is found, not made twice"

    hub.fail("GET", "org/patient/revision", status=429, headers={"Retry-After": "600"})
    patience = cli("push", model, "--repo-id", "org/patient", "--yes")
    assert (patience.code, patience.stdout) == (4, "")
    assert "the Hub asks to slow down (429); try again in 600 s." in patience.stderr

    hub.fail("GET", "org/patient/revision", seconds=60)
    slow = cli("push", model, "--repo-id", "org/patient", "--yes", "--timeout", "0.5")
    assert slow.code == 0
    assert "the Hub did not answer in time; trying again" in slow.stderr


def test_the_server_dies_in_mid_upload_and_comes_back(made: Made, cli: Cli, model: Path) -> None:
    hub = made.hub
    weights = model / "model.safetensors"
    hub.store.objects.pop(File(weights.read_bytes()).sha256, None)
    hub.fail("PUT", "/objects/", dies_after=10_000)
    cli.start("push", model, "--repo-id", "org/phoenix", "--yes")
    assert hub.died.wait(60)
    assert ".gitattributes" in remote(hub, "org/phoenix")
    assert "model.safetensors" not in remote(hub, "org/phoenix"), "no half a commit"
    hub.come_back()
    done = cli.done()
    assert done.code == 0, done.stderr
    assert remote(hub, "org/phoenix")["model.safetensors"] == weights.read_bytes()
    assert len(hub.repository("org/phoenix").history("main")) == 2


def test_what_arrives_otherwise_is_noticed(made: Made, cli: Cli, model: Path) -> None:
    def spoil() -> None:
        head = made.hub.repository("org/spoiled").head()
        head.files["config.json"] = File(b"{}")  # type: ignore[index]

    made.hub.fail("GET", r"org/spoiled/revision/[0-9a-f]{40}", then=spoil)
    done = cli("push", model, "--repo-id", "org/spoiled", "--yes")
    assert done.code == 4
    assert "config.json did not arrive as sent" in done.stderr


def test_seeds_become_branches_or_repositories(made: Made, cli: Cli, tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(made.run(seed=seed), tmp_path / f"tiny-front-s{seed}")) for seed in (31, 42)]
    for run in runs:
        (run / "run.json").write_text("{}")
    done = cli("push", *runs, "--repo-id", "org/seeds", "--yes")
    assert done.code == 0, done.stderr
    for run, revision in zip(runs, ("main", "s42"), strict=True):
        weights = (run / "pos" / "model.safetensors").read_bytes()
        assert remote(made.hub, "org/seeds", revision=revision)["model.safetensors"] == weights
    each = cli("push", *runs, "--repo-id", "org/x-{run}", "--each", "--yes", "--part", "encoder")
    assert each.code == 0, each.stderr
    for run in runs:
        weights = (run / "encoder" / "model.safetensors").read_bytes()
        assert remote(made.hub, f"org/x-{run.name}")["model.safetensors"] == weights
    wrong = cli("push", *runs, "--repo-id", "org/seeds", "--part", "ner", "--yes")
    assert (wrong.code, "has no ner; say which with --part (encoder, pos)" in wrong.stderr) == (2, True)


def refusal(folder: Path) -> str:
    """The error of a push in this process, which is offline: a single request would end in another error."""
    with pytest.raises(DataError) as caught:
        push_folders(PushSettings(folders=(folder,), repo_id="org/lint"), Console(), lambda _: True)
    return str(caught.value)


def test_secrets_pickles_and_paths_stop_the_push_before_the_first_byte(model: Path, tmp_path: Path) -> None:
    card = model / "README.md"
    token = "_".join(["hf", "A1b2" * 9])
    cases = {
        "README.md, line 2: seems to hold a Hugging Face token": ("README.md", f"---\nx: {token}\n---\n"),
        "README.md, line 4: holds the path of a machine (/home/ada/models)": (
            "README.md",
            "---\nlicense: mit\n---\nLies in /home/ada/models\n",
        ),
        "config.json: holds the path of a machine (/opera/ada/model)": (
            "config.json",
            '{"_name_or_path": "/opera/ada/model"}',
        ),
        "pytorch_model.bin: may be a pickle": ("pytorch_model.bin", "x"),
        "checkpoints/optimizer.pt: may be a pickle": ("checkpoints/optimizer.pt", "x"),
    }
    for sentence, (name, text) in cases.items():
        folder = Path(shutil.copytree(model, tmp_path / "planted"))
        (folder / name).parent.mkdir(exist_ok=True)
        if name == "config.json":
            replace(folder, name, text)
        else:
            (folder / name).write_text(text)
        said = refusal(folder)
        assert sentence in said
        assert token not in said
        shutil.rmtree(folder)
    card.write_text("---\nlicense: mine\nlanguage: English\ntags:\n- 1\n---\n[More Information Needed]\n")
    said = refusal(model)
    for part in (
        "license 'mine' is none that the Hub knows",
        "language 'English' is no ISO 639 code",
        "tags 1 is no text",
        "says that more information is needed",
    ):
        assert part in said


def replace(folder: Path, name: str, text: str) -> None:
    """Change a file together with its digest in the record."""
    import hashlib

    record = json.loads((folder / "alignfreeze.json").read_text())
    (folder / name).write_text(text)
    record["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "alignfreeze.json").write_text(json.dumps(record))


def test_the_token_in_use_is_found_wherever_it_stands(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "plain" * 4
    monkeypatch.setenv("HF_TOKEN", token)
    (model / "metrics.jsonl").write_bytes(b"{}\n" * 3)
    replace(model, "metrics.jsonl", '{"step": 1}\n{"note": "' + token + '"}\n')
    said = refusal(model)
    assert "metrics.jsonl, line 2: holds the very token" in said
    assert token not in said


def test_settings_that_do_not_go_together_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        PushSettings(
            folders=(tmp_path, tmp_path), repo_id="no-namespace", each=True, create_pr=True, tag="a b", timeout=0
        )
    for part in ("--repo-id must look like org/name", "org/{run}", "--create-pr takes one", "--tag must", "--timeout"):
        assert part in str(caught.value)


def test_scores_alone_and_damaged_folders_are_not_pushed(made: Made, cli: Cli, model: Path) -> None:
    scores = cli("push", model.parent / "pos-scores", "--repo-id", "org/x", "--yes")
    assert (scores.code, "scores travel with their model" in scores.stderr) == (3, True)
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"x")
    damaged = cli("push", model, "--repo-id", "org/x", "--yes")
    assert (damaged.code, "differs from its digest" in damaged.stderr) == (3, True)
