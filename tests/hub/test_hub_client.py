"""What is fetched from the Hub and how long it is waited for: repositories without safetensors, retries, typing errors.

The Hub on loopback counts the requests; a fresh process asks, as huggingface_hub reads its address only once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.support.hubserver import HubServer

PREPARE = """
import json, sys
from pathlib import Path
from alignfreeze_cli.artifacts import hub_client, resolve_artifact, resolve_encoder
from alignfreeze_cli.errors import AlignFreezeError
hub_client.FIRST_WAIT = 0.01
def push():
    import huggingface_hub as hf
    files = [hf.CommitOperationAdd("model.safetensors", b"0" * 100)]
    commit = lambda: hf.HfApi().create_commit("org/model", files, commit_message="Model").oid
    with hub_client.hub_errors("Pushing"):
        return hub_client.with_retries("Pushing", commit, lambda text: None)
def outcome(call):
    try:
        return ["made", str(call())]
    except AlignFreezeError as error:
        return [type(error).__name__, str(error)]
"""


def ask(hub: HubServer, folder: Path, code: str, **environment: str) -> list[str]:
    """Class and text of the error, or `made` and the result, of the expression `code` in a process in `folder`."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", f"{PREPARE}\nprint(json.dumps(outcome(lambda: {code})))"]
    env = hub.environment(folder.with_name("home"), **environment)
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result: list[str] = json.loads(done.stdout.splitlines()[-1])
    return result


def encoder(name: str) -> str:
    return f"resolve_encoder({name!r}).commit"


def weights() -> bytes:
    return save({"weight": np.ones((4, 4), dtype=np.float32)}, {"format": "pt"})


CONFIG = {"config.json": '{"model_type": "bert"}'}
PICKLED = {**CONFIG, "pytorch_model.bin": b"\x80\x02", "tf_model.h5": b"\x89HDF"}


def test_pickles_alone_are_named_with_the_pull_request_that_converts_them(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/old", PICKLED)
    hub.add("org/old", {"README.md": "# New"}, reference="refs/pr/1")
    hub.add("org/old", {**PICKLED, "model.safetensors": b"not the one"}, reference="refs/pr/2")
    converted = hub.add("org/old", {**PICKLED, "model.safetensors": weights()}, reference="refs/pr/5")
    hub.repository("org/old").authors["refs/pr/5"] = "SFconvertbot"
    hub.page_size = 2  # the pull requests come in pages
    kind, sentence = ask(hub, tmp_path / "here", encoder("org/old"))
    assert kind == "ArtifactError"
    assert sentence == (
        "org/old: holds its weights as pickles only (pytorch_model.bin), which can run code when read; SFconvertbot "
        "has converted them in a pull request: give org/old@refs/pr/5, or convert them to safetensors (docs/models.md "
        "has the lines for it)"
    )
    assert not [seen for seen in hub.log if seen.path.endswith(".bin")], "a pickle is not even fetched"
    assert ask(hub, tmp_path / "here", encoder("org/old@refs/pr/5")) == ["made", converted.oid]


def test_without_a_conversion_the_docs_are_named(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/old", PICKLED)
    hub.add("org/flax", {**CONFIG, "flax_model.msgpack": b"x"})
    hub.add("org/no-model", {"README.md": "# Nothing"})
    _, sentence = ask(hub, tmp_path / "here", encoder("org/old"))
    assert sentence.startswith("org/old: holds its weights as pickles only (pytorch_model.bin)")
    assert sentence.endswith("; convert them to safetensors (docs/models.md has the lines for it)")
    assert "pull request" not in sentence
    _, sentence = ask(hub, tmp_path / "here", encoder("org/flax"))
    assert sentence.startswith("org/flax: has no safetensors weights (model.safetensors), only flax_model.msgpack;")
    _, sentence = ask(hub, tmp_path / "here", encoder("org/no-model"))
    assert sentence == "org/no-model: is no model folder: it has no config.json"
    hub.fail("GET", "/discussions", status=503)
    hub.fail("GET", "/discussions", status=503)
    assert ask(hub, tmp_path / "here", encoder("org/old"))[0] == "ArtifactError", "the look-up may fail"
    assert len(hub.asked("GET", "/discussions")) == 2, "and is not tried again"


@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("POST", "/preupload/", {"status": 503}),
        ("POST", "/objects/batch", {"status": 500}),
        ("PUT", "/objects/", {"status": 503}),
        ("PUT", "/objects/", {"drop": "before"}),
        ("POST", "/commit/", {"status": 429}),
    ],
)
def test_a_request_of_a_push_is_sent_five_times_in_all(
    hub: HubServer, tmp_path: Path, method: str, path: str, fault: dict
) -> None:
    """huggingface_hub's own tries are not on top of that."""
    hub.add("org/model", {"README.md": "# Model"})
    hub.fail(method, path, times=1000, **fault)
    kind, sentence = ask(hub, tmp_path / "here", "push()")
    assert (kind, len(hub.asked(method, path))) == ("HubError", 5), sentence


def test_a_sentencepiece_model_is_fetched_with_the_weights(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/pieces", {**CONFIG, "model.safetensors": weights(), "spm.model": b"x", "pytorch_model.bin": b"x"})
    code = "sorted(path.name for path in resolve_encoder('org/pieces').path.iterdir())"
    assert ask(hub, tmp_path / "here", code) == ["made", "['config.json', 'model.safetensors', 'spm.model']"]


def test_a_long_wait_is_not_waited_for_by_anyone(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/model", {"README.md": "# Model"})
    slow = {"status": 429, "headers": {"Retry-After": "600"}}
    hub.fail("POST", "/preupload/", times=9, **slow)
    kind, sentence = ask(hub, tmp_path / "here", "push()")
    assert (kind, len(hub.asked("POST", "/preupload/"))) == ("HubError", 1)
    assert sentence == "Pushing: the Hub asks to slow down (429); try again in 600 s."

    hub.add("org/encoder", {**CONFIG, "model.safetensors": weights()})
    hub.fail("GET", "/api/models/org/encoder", times=9, **slow)
    kind, sentence = ask(hub, tmp_path / "here", encoder("org/encoder"), HF_TOKEN="")
    assert len(hub.asked("GET", "/api/models/org/encoder")) == 1
    raised = "or with a token, which raises the limit: log in with `hf auth login`, or set HF_TOKEN."
    assert sentence.endswith(f"the Hub asks to slow down (429); try again in 600 s, {raised}")
    window = {"ratelimit": '"api";r=0;t=240', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}
    hub.fail("GET", "/api/models/org/other", times=9, status=429, headers=window)
    _, sentence = ask(hub, tmp_path / "here", encoder("org/other"), HF_TOKEN="")
    assert f"try again in 240 s, {raised}" in sentence


def test_a_pull_ends_too(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/encoder", {**CONFIG, "model.safetensors": weights()})
    hub.fail("GET", "/objects/", times=1000, drop="before")
    kind, sentence = ask(hub, tmp_path / "here", encoder("org/encoder"))
    assert (kind, len(hub.asked("GET", "/objects/"))) == ("HubError", 5), sentence
    hub.faults.clear()
    hub.fail("GET", "/objects/", times=4, status=503)
    assert ask(hub, tmp_path / "here", encoder("org/encoder"))[0] == "made", "the fifth try brings it"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("./encodr", "encoder"),
        ("encoder/", "encoder"),
        ("runs/s31/encodr", "runs/s31/encoder"),
        ("run/s31/encoder", "runs"),
        ("encoder (1)", "encoder"),
        ("en--coder", "encoder"),
        ("~/no-such-folder-of-mine", None),
    ],
)
def test_what_can_only_be_a_path_is_not_looked_up(
    hub: HubServer, tmp_path: Path, written: str, meant: str | None
) -> None:
    (tmp_path / "here" / "runs" / "s31" / "encoder").mkdir(parents=True)
    (tmp_path / "here" / "encoder").mkdir()
    kind, sentence = ask(hub, tmp_path / "here", f"resolve_artifact({written!r}, 'encoder')")
    assert kind == "ArtifactError"
    if written != "encoder/":
        assert f"{written}: no such folder" in sentence
        assert sentence.endswith(f"did you mean {meant!r}?") or meant is None
    assert not hub.log


@pytest.mark.parametrize(("written", "meant"), [("encodr", "encoder"), ("runs/s32", "runs/s31")])
def test_what_is_like_a_path_is_looked_up_only_with_a_revision(
    hub: HubServer, tmp_path: Path, written: str, meant: str
) -> None:
    (tmp_path / "here" / "runs" / "s31").mkdir(parents=True)
    (tmp_path / "here" / "encoder").mkdir()
    kind, sentence = ask(hub, tmp_path / "here", encoder(written))
    assert (kind, hub.log) == ("ArtifactError", [])
    assert sentence == (
        f"{written}: no such folder (a repository of the Hub would be {written}@main); did you mean {meant!r}?"
    )
    commit = hub.add(written if "/" in written else "org/encodr", {**CONFIG, "model.safetensors": weights()})
    hub.store.renamed["model", "encodr"] = "org/encodr"
    assert ask(hub, tmp_path / "here", encoder(f"{written}@main")) == ["made", commit.oid]


@pytest.mark.parametrize("written", ["bert-base-frnch", "runs/mbert"])
def test_what_may_be_a_path_is_looked_up_once(hub: HubServer, tmp_path: Path, written: str) -> None:
    """Old repositories have names like `bert-base-french`, and a folder may hold copies of some of a user's."""
    (tmp_path / "here" / "runs" / "s31").mkdir(parents=True)
    (tmp_path / "here" / "bert-base-french").mkdir()
    kind, sentence = ask(hub, tmp_path / "here", encoder(written))
    assert (kind, len(hub.log)) == ("HubError", 1)
    assert sentence.startswith(f"{written} is no folder here, and on the Hub:")
    assert sentence.endswith("; did you mean 'bert-base-french'?") or written == "runs/mbert"
    hub.log.clear()
    hub.fail("GET", "/api/models/", times=1000, drop="before")
    kind, sentence = ask(hub, tmp_path / "here", encoder(written))
    assert (kind, len(hub.log)) == ("HubError", 1), "no waiting for a network that is not there"
    hub.faults.clear()
    commit = hub.add(written if "/" in written else "org/french", {**CONFIG, "model.safetensors": weights()})
    hub.store.renamed["model", "bert-base-frnch"] = "org/french"
    assert ask(hub, tmp_path / "here", encoder(written)) == ["made", commit.oid], "a repository of that name is taken"
