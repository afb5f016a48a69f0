"""What an encoder's card says of tasks: scores of models fine-tuned from it, other seeds, the baseline, the gain."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from alignfreeze_cli.errors import ArtifactError, SettingsError, SeveralScoresError
from alignfreeze_cli.hub.cards import make_card, write_card
from alignfreeze_cli.hub.results import TaskScores
from alignfreeze_cli.hub.scores import Measured
from alignfreeze_cli.hub.settings import CardSettings, PushSettings
from alignfreeze_cli.steps.card import write_cards
from alignfreeze_cli.steps.push import push_folders
from tests.hub.hubworld import BASE, Made, record_of
from tests.support.console import RecordingConsole
from tests.support.hubserver.writing import metadata_errors


@pytest.fixture
def run(made: Made, tmp_path: Path) -> Path:
    """A run folder of one's own: front, seed 31, its encoder without a card."""
    folder = Path(shutil.copytree(made.run(), tmp_path / "front-s31"))
    (folder / "encoder" / "README.md").unlink()
    return folder


def local_base(encoder: Path) -> None:
    """As if the encoder had been made from a local folder."""
    record = record_of(encoder)
    (base,) = (each for each in record["inputs"] if each["name"] == "model")
    del base["commit"]
    base["source"] = "…/models/mbert"
    (encoder / "alignfreeze.json").write_text(json.dumps(record))


def measured(seeds: tuple[int, ...], **values: tuple[float, ...]) -> Measured:
    data = {code: {"source": f"{code}.conllu", "digest": "0" * 64} for code in values}
    return Measured("pos", "accuracy", "en", seeds, values, dict.fromkeys(values, 9), data)


def test_gains_are_paired_by_seed_whatever_their_order() -> None:
    own = measured((1, 2), en=(0.9, 0.9), de=(0.5, 0.7), fr=(0.6, 0.6))
    theirs = measured((2, 1), en=(0.9, 0.9), de=(0.6, 0.4), fr=(0.5, 0.5))
    scores = TaskScores(own, theirs)
    assert scores.gain == pytest.approx((0.1, 0.0)), "the same in each seed, though each seed's scores differ"
    assert [(code, round(gain, 6)) for code, gain in scores.gains] == [("de", 0.1), ("fr", 0.1)]
    assert scores.beyond == ["fr"], "German differs by 0.1, its standard deviations are 0.1 and 0.1"


def test_languages_beyond_the_deviations_are_counted_as_in_a_report() -> None:
    """A difference that exceeds the sum of both by rounding alone does not; neither does any of a single seed."""
    own, base = (0.3, 0.8), (0.1, 0.3)
    scores = TaskScores(measured((1, 2), de=own, fr=(0.3, 0.9)), measured((1, 2), de=base, fr=(0.1, 0.1)))
    assert (0.3 + 0.8) / 2 - (0.1 + 0.3) / 2 > 0.25 + 0.1, "they are equal on paper"
    assert scores.beyond == ["fr"]
    assert TaskScores(measured((1, 2), de=own), measured((1,), de=(0.1,))).beyond is None


def test_of_one_seed_or_of_other_seeds_no_deviation_is_told() -> None:
    own = measured((1, 2), de=(0.5, 0.7), fr=(0.6, 0.6))
    other = TaskScores(own, measured((3, 4), de=(0.5, 0.6), fr=(0.6, 0.6)))
    assert other.gain == (pytest.approx(0.025), None)
    assert other.measured.mean("de") == pytest.approx((0.6, 0.02**0.5)), "the sample's: 0.1² + 0.1² over 2 - 1"
    one = TaskScores(measured((1,), de=(0.5,)), measured((1,), de=(0.6,)))
    assert (one.gain, one.beyond) == ((pytest.approx(-0.1), None), None)
    unlike = TaskScores(own, measured((1, 2), de=(0.5, 0.6)))
    assert (unlike.gain, unlike.gains, unlike.beyond) == (None, [], None), "means over other languages are not compared"


def test_an_encoders_card_has_the_scores_of_what_was_fine_tuned_from_it(made: Made, run: Path) -> None:
    settings = CardSettings(
        folders=(run / "encoder",),
        scores=(run / "pos-scores", made.root / "front-s4*" / "pos-scores"),
        baseline=(made.root / "baseline-s*" / "pos-scores",),
        license="cc-by-nc-4.0",
    )
    (path,) = write_cards(settings)
    card = ModelCard.load(path)
    values = [
        json.loads((each / "pos-scores" / "scores.json").read_text())["languages"] for each in (run, made.run(seed=42))
    ]
    results = {result.dataset_config: result for result in card.data.eval_results}
    assert set(results) == {"en_ewt", "de_gsd", "fr_gsd"}
    assert results["de_gsd"].metric_value == pytest.approx(sum(each["de"]["value"] for each in values) / 2, abs=1e-6)
    assert results["de_gsd"].metric_name == "accuracy after fine-tuning, mean of 2 seeds"
    assert (card.data.license, card.data.base_model) == ("cc-by-nc-4.0", BASE)
    assert list(metadata_errors(str(card))) == []
    top = card.text[: card.text.index("<img")]
    assert "Fine-tuned in English it was scored in 2 other languages (part-of-speech tagging, accuracy, mean of" in top
    assert "points against the same encoder without realignment; least in" in top
    assert "over the seeds 31, 42; the weights here are those of seed 31." in card.text
    german = [100 * each["de"]["value"] for each in values]
    assert f"| German | {statistics.fmean(german):.1f} ± {statistics.stdev(german):.1f} |" in card.text
    assert "± is the sample standard deviation over seeds (ddof 1)." in card.text
    assert "±" not in top, "the baseline has other seeds"
    (path,) = write_cards(replace(settings, baseline=settings.scores))
    assert "mean of 2 seeds, ± sample standard deviation): **" in path.read_text()
    assert "**0.0** ± 0.0 points against its baseline" in path.read_text()
    assert "| language | this encoder | baseline | difference |" in card.text
    assert "one seed was scored" not in card.text


def test_scores_beside_an_encoder_are_found_and_without_any_it_says_so(made: Made, run: Path) -> None:
    text = write_card(run / "encoder").read_text()
    assert "## Scores after fine-tuning\n\n### Part-of-speech tagging\n" in text
    assert "one seed was scored" in text
    assert "±" not in text
    assert "don't say what realignment did" in text, "there is no baseline"
    shutil.copytree(run / "pos-scores", run / "again")
    with pytest.raises(SeveralScoresError, match=r"--scores \S+/again and --scores \S+/pos-scores"):
        write_card(run / "encoder")
    shutil.rmtree(run / "again")
    shutil.move(run / "pos-scores", run.parent / "away")
    text = write_card(run / "encoder").read_text()
    assert "## Scores" not in text
    assert "No task was scored with it here" in text


def test_scores_of_other_encoders_are_refused(made: Made, run: Path) -> None:
    baseline, other = made.run("baseline") / "pos-scores", made.run(seed=42) / "pos-scores"
    with pytest.raises(ArtifactError, match="not of a model that was fine-tuned from"):
        write_card(run / "encoder", [other])
    with pytest.raises(ArtifactError, match="differs from the one fine-tuned from .* in more than its seed"):
        write_card(run / "encoder", [run / "pos-scores", baseline])
    with pytest.raises(SettingsError, match="--scores: nothing matches .*nowhere"):
        write_card(run / "encoder", [run / "nowhere*"])
    (run / "pos-scores" / "alignfreeze.json").write_text("{")
    assert "## Scores" not in write_card(run / "encoder").read_text(), "nothing is known of what can't be read"


def test_what_a_publisher_states_of_a_local_base_is_said_as_such_and_kept(run: Path) -> None:
    encoder = run / "encoder"
    with pytest.raises(SettingsError, match=f"by its record .* was made from {BASE}"):
        make_card(encoder, stated={"base_model": "org/other"})
    local_base(encoder)
    card = ModelCard.load(write_card(encoder))
    assert (card.data.license, card.data.base_model) == (None, None)
    assert "\n# mbert, realigned (front)\n" in f"\n{card.text}"
    stated = {"license": "mit", "base_model": "org/multilingual"}
    (encoder / "README.md").write_bytes(make_card(encoder, stated=stated)["README.md"])
    text = write_card(encoder).read_text()
    data = ModelCard(text).data
    assert (data.license, data.base_model, data.base_model_relation) == ("mit", "org/multilingual", "finetune")
    assert "\n# multilingual, realigned (front)\n" in text
    assert "[org/multilingual](https://huggingface.co/org/multilingual) (from a local folder, sha256" in text
    assert "is the word of whoever published it" in text


@pytest.mark.parametrize(("key", "value", "told"), [("license", "MIT", "'mit'"), ("base_model", "mbert", "org/name")])
def test_what_is_stated_must_be_what_the_hub_takes(key: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        CardSettings(folders=(Path("x"),), **{key: value})


def test_an_encoder_is_pushed_with_its_scores_and_a_card_without_a_licence_is_told_of(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a" * 9)
    settings = PushSettings(folders=(run / "encoder",), repo_id="org/x", dry_run=True)
    console = RecordingConsole()
    (push,) = push_folders(settings, console, lambda _: True)
    assert {"scores/pos/scores.json", "scores/pos/alignfreeze.json"} <= set(push.target.contents)
    assert not any("licence" in each for each in console.warned)
    (run / "encoder" / "README.md").write_text("---\nlanguage: en\n---\n\n# Mine\n")
    push_folders(settings, console, lambda _: True)
    assert any("names no licence" in each and "--license" in each for each in console.warned)
    given = PushSettings(folders=(run / "encoder",), repo_id="org/x", dry_run=True, license="mit")
    (push,) = push_folders(given, console, lambda _: True)
    mine = push.target.card["README.md"].decode()
    assert mine.endswith("\n# Mine\n")
    assert "license: mit" in mine
