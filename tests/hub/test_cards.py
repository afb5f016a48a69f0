"""Cards: what they say, what they keep, what they refuse; validated as the Hub does and by running their code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from huggingface_hub import DatasetCard, ModelCard

from alignfreeze_cli.artifacts import Result, read_record
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.cards import card_after, make_card, write_card
from alignfreeze_cli.hub.scores import Measured, evaluation_results
from alignfreeze_cli.tasks.pos import REPACKAGED
from tests.hub.hubworld import BASE, Made, record_of
from tests.support.console import RecordingConsole
from tests.support.hubserver.writing import metadata_errors


@pytest.fixture
def run(made: Made, tmp_path: Path) -> Path:
    """A run folder of one's own: front, seed 31."""
    return Path(shutil.copytree(made.run(), tmp_path / "run"))


def code_of(card: Path) -> str:
    found = re.search(r"```python\n(.*?)```", card.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_a_task_models_card_says_all_that_the_record_knows(made: Made, run: Path) -> None:
    seeds = [run / "pos-scores", made.run(seed=42) / "pos-scores"]
    card = ModelCard.load(write_card(run / "pos", seeds, [made.run("baseline") / "pos-scores"]))
    data = card.data
    assert data.base_model == BASE, "through the lineage: the parent is a local folder"
    assert data.base_model_relation == "finetune"
    assert (data.license, data.library_name, data.pipeline_tag) == (
        "apache-2.0",
        "transformers",
        "token-classification",
    )
    assert data.language == ["en", "de", "fr"]
    assert data.datasets == ["Helsinki-NLP/opus-100", "universal-dependencies/universal_dependencies"]
    assert {"alignfreeze", "freeze-front", "pos", "arxiv:2502.12959"} <= set(data.tags)
    assert data.metrics == ["accuracy"]
    assert [each["example_title"] for each in data.widget] == ["English", "German", "French"]
    assert data.widget[1]["text"] == "Maria liest in Paris ein Buch."
    assert list(metadata_errors(str(card))) == []

    scores = [json.loads((folder / "scores.json").read_text())["languages"] for folder in seeds]
    results = {result.dataset_config: result for result in data.eval_results}
    assert set(results) == {"en_ewt", "de_gsd", "fr_gsd"}
    for treebank, code in (("en_ewt", "en"), ("de_gsd", "de"), ("fr_gsd", "fr")):
        expected = sum(each[code]["value"] for each in scores) / 2
        assert results[treebank].metric_value == pytest.approx(expected, abs=1e-6)
        assert results[treebank].metric_name == "accuracy, mean of 2 seeds"

    assert re.search(r"\| German \| [\d.]+ ± [\d.]+ \| [\d.]+ \| [+−]?[\d.]+ \| 89\.5 ± 0\.2 \|", card.text)
    assert "blocks 0-1 of 4 were frozen" in card.text
    assert f"--model {BASE.split('/')[1]}@{made.hub.repository(BASE).head().oid}" in card.text
    assert "@inproceedings{bakos-etal-2025-alignfreeze" in card.text
    assert "**MUSE bilingual dictionaries (Conneau et al. 2018): the licence forbids commercial use.**" in card.text
    assert "More information needed" not in card.text
    assert str(made.root) not in card.text


def test_cards_name_what_linked_the_words(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.pairs, tmp_path / "pairs"))
    path = folder / "alignfreeze.json"
    record = json.loads(path.read_text())
    assert "Words were linked by" not in make_card(folder)["README.md"].decode()  # a dictionary, which is in the table
    record["settings"]["aligner"] = "fast-align"
    path.write_text(json.dumps(record))
    text = make_card(folder)["README.md"].decode()
    assert "linked by fast_align (Dyer et al. 2013) of sil-thot, a library under the LGPL-3.0 that is no part" in text
    record["settings"] |= {"aligner": "encoder", "encoder": BASE}
    record["inputs"].append({"name": "encoder", "source": BASE, "digest": "0" * 64, "commit": "1" * 40})
    path.write_text(json.dumps(record))
    text = make_card(folder)["README.md"].decode()
    assert f"Words were linked by the encoder {BASE} (licence: apache-2.0)." in text
    assert f"--encoder {BASE}@{'1' * 40}" in text
    assert f"| encoder, `{BASE}`" not in text  # a model is no data


AWESOME = {"aligner": "encoder", "encoder": "…/model_without_co", "extract": "softmax", "softmax-threshold": 0.001}
AWESOME |= {"softmax-temperature": None, "align-block": 7}


@pytest.mark.parametrize(
    ("settings", "aligner"),
    [
        ({"aligner": "dictionary"}, "dictionary"),
        ({"aligner": "fast-align", "symmetrise": "grow-diag-final-and"}, "fastalign"),
        ({"aligner": "fast-align", "symmetrise": "intersection"}, None),
        (AWESOME, "awesome"),
        (AWESOME | {"align-block": 6}, None),
        (AWESOME | {"encoder": "org/mbert"}, None),
        ({"aligner": "pharaoh"}, None),
    ],
)
def test_published_scores_are_those_of_the_same_aligner(settings: dict[str, object], aligner: str | None) -> None:
    assert facts.published_aligner({"settings": settings}) == aligner


def test_other_folders_have_cards_of_their_kind(made: Made, run: Path, tmp_path: Path) -> None:
    encoder = ModelCard.load(write_card(run / "encoder"))
    assert encoder.data.pipeline_tag == "feature-extraction"
    assert "hidden_states[3]" in encoder.text

    baseline = Path(shutil.copytree(made.run("baseline"), tmp_path / "baseline"))
    card = ModelCard.load(write_card(baseline / "pos"))
    assert "baseline" in card.data.tags
    assert len(card.data.eval_results) == 3, "scores are found beside the model"
    assert "published (baseline)" in card.text

    pairs = Path(shutil.copytree(made.pairs, tmp_path / "pairs"))
    card = DatasetCard.load(write_card(pairs))
    assert [each["config_name"] for each in card.data.configs] == ["default", "en-de", "en-fr"]
    assert card.data.size_categories == ["n<1K"]
    assert list(metadata_errors(str(card))) == []
    assert not (pairs / "blocks.png").exists()


def test_no_published_numbers_beside_what_was_trained_in_part(made: Made) -> None:
    record = read_record(made.run("baseline") / "pos")
    assert record is not None
    assert facts.strategy(record) == "baseline"
    for detail in ({"lora": {"rank": 2}}, {"freeze": "front"}):
        assert facts.strategy(replace(record, details={**record.details, **detail})) is None


@pytest.mark.slow
def test_the_lines_of_use_run_as_they_stand(made: Made, run: Path, tmp_path: Path) -> None:
    pairs = Path(shutil.copytree(made.pairs, tmp_path / "pairs"))
    code = "\n".join(
        code_of(write_card(folder, repo_id=str(folder))) for folder in (run / "encoder", run / "pos", pairs)
    )
    env = made.hub.environment(tmp_path, HF_HUB_OFFLINE="1")
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tensor(" in done.stdout
    assert re.search(r"\('book', '[A-Z]+'\)", done.stdout)
    assert re.search(r"dog = Hund|cat = Katze|tree = Baum|house = Haus|sees = sieht", done.stdout)


def test_what_a_person_wrote_survives(run: Path) -> None:
    path = write_card(run / "pos")
    text = path.read_text()
    text = text.replace("## How to use it", "## Overwritten")
    text = text.replace("<!-- /alignfreeze:use -->", "<!-- /alignfreeze:use -->\n\nUse it with care, says Ada.")
    text = text.replace("widget:\n", "widget:\n- text: Mine.\n")
    text = text.replace("tags:\n", "tags:\n- mine\n").replace(
        "license: apache-2.0\n", "license: mit\nthumbnail: a.png\n"
    )
    path.write_text(text + "\n## Thanks\n\nTo all.\n")
    again = write_card(run / "pos").read_text()
    assert "Overwritten" not in again
    assert "Use it with care, says Ada." in again
    assert again.endswith("## Thanks\n\nTo all.\n")
    data = ModelCard(again).data
    assert "mine" in data.tags
    assert {"text": "Mine."} in data.widget
    assert (data.license, data.thumbnail) == ("apache-2.0", "a.png")
    assert write_card(run / "pos").read_text() == again


def test_a_step_leaves_a_card_and_scores_come_onto_their_models(run: Path) -> None:
    console = RecordingConsole()

    def result(name: str, status: str = "made") -> Result:
        return Result(run / name, status, read_record(run / name))  # type: ignore[arg-type]

    card = run / "pos" / "README.md"
    assert "## Scores" in card.read_text(), "evaluate has renewed it"
    card.unlink()
    card_after(result("pos", "already done"), console)
    assert "## Scores" in card.read_text(), "the step may have been killed before its card"
    shutil.move(run / "pos-scores", run.parent / "later")
    card_after(result("pos"), console)
    assert "## Scores" not in card.read_text()
    shutil.move(run.parent / "later", run / "pos-scores")
    card_after(result("pos-scores"), console)
    assert "## Scores" not in card.read_text(), "nobody said whose scores they are"
    card_after(result("pos-scores"), console, model=run / "pos")
    assert "## Scores" in card.read_text()
    assert not console.warned
    card.write_text("<!-- alignfreeze:use -->")
    card_after(result("pos"), console)
    (warning,) = console.warned
    assert "No card for" in warning
    assert "has no other half" in warning


def test_scores_are_found_by_the_models_digest_whatever_they_are_called(made: Made, run: Path) -> None:
    shutil.move(run / "pos-scores", run / "front, first try")
    shutil.copytree(made.run("baseline") / "pos-scores", run / "baseline-scores")
    (run / "broken").mkdir()
    (run / "broken" / "alignfreeze.json").write_text("{")
    assert "mean without source" in write_card(run / "pos").read_text()
    shutil.copytree(run / "front, first try", run / "again")
    with pytest.raises(
        ArtifactError, match=r"several .* \(--scores \S+/run/again and --scores '\S+/run/front, first try'\)"
    ):
        write_card(run / "pos")
    shutil.copytree(run / "again", run / "pos-scores")
    assert "mean without source" in write_card(run / "pos").read_text(), "the usual name comes first"
    (run / "pos-scores" / "alignfreeze.json").write_text("{")
    with pytest.raises(ArtifactError, match="pos-scores"):
        write_card(run / "pos")


def test_a_card_without_markers_is_added_to_and_half_a_marker_is_refused(run: Path) -> None:
    (run / "encoder" / "README.md").write_text("# Mine\n\nAll mine.\n")
    text = write_card(run / "encoder").read_text()
    assert "# Mine\n\nAll mine." in text
    assert "<!-- alignfreeze:citation -->" in text
    (run / "encoder" / "README.md").write_text(text.replace("<!-- /alignfreeze:use -->", ""))
    with pytest.raises(DataError, match="marker <!-- alignfreeze:use --> has no other half"):
        write_card(run / "encoder")


def test_scores_of_another_model_are_refused(made: Made, run: Path, tmp_path: Path) -> None:
    other, baseline = made.run(seed=42) / "pos-scores", made.run("baseline") / "pos-scores"
    with pytest.raises(ArtifactError, match="scores of another model"):
        write_card(run / "pos", [other])
    with pytest.raises(ArtifactError, match="differs from .* in more than its seed"):
        write_card(run / "pos", [run / "pos-scores", baseline])
    with pytest.raises(SettingsError, match="name one seed twice"):
        write_card(run / "pos", [run / "pos-scores", run / "pos-scores"])
    with pytest.raises(ArtifactError, match="holds a record of kind pairs; `alignfreeze evaluate` makes scores"):
        write_card(run / "pos", [made.pairs])
    with pytest.raises(ArtifactError, match="holds pairs, which has no scores"):
        write_card(made.pairs, [run / "pos-scores"])
    with pytest.raises(SettingsError, match="has nothing to be compared with"):
        write_card(made.pairs, baseline=[baseline])
    with pytest.raises(ArtifactError, match=r"holds scores, which has no card of its own"):
        write_card(run / "pos-scores")
    with pytest.raises(ArtifactError, match=r"has no alignfreeze\.json"):
        write_card(tmp_path)


def test_the_picture_shows_every_block_as_the_record_has_it(run: Path) -> None:
    write_card(run / "pos")
    svg, png = (run / "pos" / "blocks.svg").read_text(), (run / "pos" / "blocks.png").read_bytes()
    texts = [each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("emb") == 2, "realignment and fine-tuning"
    assert [text for text in texts if text in ("0", "1", "2", "3")] == ["0", "1", "2", "3"] * 2
    assert {"trained", "frozen", "not reached by the loss", "loss"} <= set(texts)
    assert record_of(run / "pos")["lineage"][-1]["details"]["frozen-blocks"] == [0, 1]
    assert svg.count("fill: #5b8fb9") == 2 + 1, "two frozen blocks and the legend"
    assert png.startswith(b"\x89PNG\r\n")
    for name in ("blocks.svg", "blocks.png"):
        (run / "pos" / name).unlink()
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "savefig.bbox": "tight"}):
        write_card(run / "pos")
    again = (run / "pos" / "blocks.svg").read_text(), (run / "pos" / "blocks.png").read_bytes()
    assert again == (svg, png), "the same record gives the same bytes, whatever the user's matplotlibrc says"


def test_treebanks_of_a_later_version_are_named_as_such_each_with_its_configuration(made: Made) -> None:
    names = {"en": "en_ewt", "de": "de_gsd"}
    data = {
        code: {"source": f"{REPACKAGED}/parquet/{name}/test.parquet", "commit": "c"} for code, name in names.items()
    }
    measured = Measured("pos", "accuracy", "en", (31,), dict.fromkeys(names, (0.5,)), dict.fromkeys(names, 2), data)
    assert [result.dataset_config for result in evaluation_results(measured)] == list(names.values())
    record = read_record(made.run("baseline") / "pos")
    assert record is not None
    train = {"name": "train en", "source": f"{REPACKAGED}/parquet/en_ewt/train.parquet", "digest": "d", "commit": "c"}
    (found,) = facts.training_data(replace(record, inputs=[train], lineage=[]))
    assert (found.what, found.dataset, found.part) == ("Universal Dependencies 2.17", REPACKAGED, train["source"][30:])
    assert "11234/1-6036" in found.citation
