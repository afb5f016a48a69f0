"""What a dry run says that a step takes, and that it refuses what the step would refuse."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.encoder.batches import make_batch, packing_for
from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import build_dataset, language_sources, resolve_pairs
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.sample import sample_texts, spread
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.settings import StepSettings
from alignfreeze_cli.steps import STEPS
from alignfreeze_cli.steps.estimates import LINES, OF_PAIR, Estimate, estimate
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from alignfreeze_cli.training import loop
from tests.cli import world as worlds
from tests.support.console import RecordingConsole


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.make(tmp_path_factory.mktemp("estimates") / "world")


def settings_of(world: Path, output: Path) -> dict[str, StepSettings]:
    """A step of every kind, as dry runs."""
    data = str(world / "treebanks" / "{language}-test.conllu")
    common: dict[str, Any] = {"output": output, "dry_run": True, "device": "cpu"}
    return {
        "align-pairs": AlignPairsSettings(
            target=("xx", "yy"),
            corpus=(str(world / "text" / "en-{target}.tsv"),),
            aligner="encoder",
            encoder=str(world / "encoder"),
            **common,
        ),
        "realign": RealignSettings(
            model=str(world / "encoder"), pairs=(str(world / "pairs"),), steps=3, batch_size=4, probe_pairs=4, **common
        ),
        "finetune": FinetuneSettings(
            model=str(world / "front"), task="pos", train=str(world / "treebanks" / "en-train.conllu"), **common
        ),
        "evaluate": EvaluateSettings(model=str(world / "front-pos"), languages=("en", "xx"), data=data, **common),
    }


def run(step: str, settings: StepSettings) -> dict[str, Any]:
    return dict(STEPS[step].load()(settings, Console()).details)


@pytest.mark.parametrize("step", ["align-pairs", "realign", "finetune", "evaluate"])
def test_a_dry_run_says_what_a_step_takes(world: Path, tmp_path: Path, step: str) -> None:
    needs = Estimate.of(run(step, settings_of(world, tmp_path / "out")[step])["needs"])
    assert 2e8 < needs.memory_bytes < 2e9, "so small a model is nothing beside the libraries"
    assert needs.disk_bytes > 0
    assert needs.seconds is None
    assert needs.measurable is (step in ("realign", "finetune"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["align-pairs", "realign", "finetune", "evaluate"])
def test_a_device_that_is_not_there_fails_in_the_dry_run_as_in_the_run(world: Path, tmp_path: Path, step: str) -> None:
    dry = replace(settings_of(world, tmp_path / "out")[step], device="cuda:7")  # type: ignore[call-arg]
    said = []
    for settings in (dry, replace(dry, dry_run=False)):
        with pytest.raises(SettingsError) as error:
            run(step, settings)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert said[0].startswith("--device cuda:7: ")


@pytest.mark.parametrize("step", ["realign", "finetune"])
def test_a_tracker_that_is_not_there_fails_in_the_dry_run(
    world: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loop.TRACKERS, "wandb", lambda: False)
    settings = replace(settings_of(world, tmp_path / "out")[step], tracker=("wandb",))  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="--tracker wandb: the package is missing"):
        run(step, settings)


@pytest.mark.parametrize("step", ["align-pairs", "realign"])
def test_a_tokenizer_that_cannot_be_read_fails_in_the_dry_run(world: Path, tmp_path: Path, step: str) -> None:
    """One that is only a SentencePiece model, say, where that package is missing."""
    copied = worlds.copy(world, tmp_path / "world")
    (copied / "encoder" / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match="has no tokenizer"):
        run(step, settings_of(copied, tmp_path / "out")[step])


def test_what_is_estimated_before_anything_is_there_needs_the_shape_alone(world: Path, tmp_path: Path) -> None:
    (tmp_path / "shape").mkdir()
    (tmp_path / "shape" / "config.json").write_bytes((world / "encoder" / "config.json").read_bytes())
    for step, settings in settings_of(world, tmp_path / "out").items():
        unmade = replace(settings, model="not/made") if step != "align-pairs" else settings  # type: ignore[call-arg]
        found = estimate(unmade, tmp_path / "shape")
        assert found.memory_bytes > 2e8
        assert bool(found.assumed) is (step in ("realign", "finetune")), step
    blend = BlendSettings(base="not/made", model="nor/this", alpha="0.5")
    assert estimate(blend, tmp_path / "shape").memory_bytes > 2e8
    with pytest.raises(ArtifactError, match="is not there, so what it takes is not known"):
        estimate(blend)
    with pytest.raises(ValueError, match="ReportSettings"):
        estimate(ReportSettings(runs=("runs",)))


def test_more_of_everything_takes_more(world: Path, tmp_path: Path) -> None:
    settings = settings_of(world, tmp_path / "out")["realign"]
    assert isinstance(settings, RealignSettings)
    # Large enough that what a step reads matters beside the libraries.
    base = replace(settings, batch_size=4_000)
    plain = estimate(base)
    assert estimate(replace(base, freeze="none")).memory_bytes > plain.memory_bytes
    assert estimate(replace(base, batch_tokens=1_000)).memory_bytes < plain.memory_bytes
    assert estimate(replace(base, save_at=("1", "2"))).disk_bytes == 3 * plain.disk_bytes
    assert estimate(replace(base, checkpoint_every=0)).scratch_bytes == 0 < plain.scratch_bytes
    assert plain.gpu_bytes == 0 < estimate(replace(base, device="cuda")).gpu_bytes


def test_the_lines_of_corpora_that_are_there_are_counted(tmp_path: Path) -> None:
    """Of each corpus as many as are read of it; of what cannot be read now, as many as usual or as may be read."""
    for name, lines in (("a-xx", 7), ("a-yy", 4), ("b-xx", 2), ("b-yy", 3)):
        (tmp_path / f"{name}.tsv").write_text("one\teins\n" * lines, encoding="utf-8")
    corpora = tuple(str(tmp_path / f"{name}-{{target}}.tsv") for name in "ab")
    settings = AlignPairsSettings(target=("xx", "yy"), corpus=corpora, output=tmp_path / "pairs")

    def lines(of: AlignPairsSettings) -> tuple[float, bool]:
        found = estimate(of)
        return found.disk_bytes / OF_PAIR, bool(found.assumed)

    assert lines(settings) == (7 + 4 + 2 + 3, False)
    assert lines(replace(settings, max_lines=3)) == (3 + 3 + 2 + 3, False)
    missing = replace(settings, target=("xx", "yy", "zz"))
    assert lines(missing) == (3 * LINES, True)
    assert lines(replace(missing, max_lines=3)) == (3 * 2 * 3, False)
    assert lines(replace(settings, corpus=("opus-100",))) == (2 * LINES, True)
    os.mkfifo(tmp_path / "pipe")
    assert lines(replace(settings, target=("xx",), corpus=(str(tmp_path / "pipe"),))) == (LINES, True)


def test_counting_lines_shows_its_progress(tmp_path: Path) -> None:
    """One bar for all corpora, whatever their format: a large translation memory takes minutes."""
    (tmp_path / "en-xx.tsv").write_text("one\teins\n" * 7, encoding="utf-8")
    unit = '<tu><tuv xml:lang="en"><seg>one</seg></tuv><tuv xml:lang="xx"><seg>eins</seg></tuv></tu>'
    (tmp_path / "en-xx.tmx").write_text(f'<tmx version="1.4"><header/><body>{unit * 3}</body></tmx>', encoding="utf-8")
    (tmp_path / "en-xx.txt").write_text("one eins\n", encoding="utf-8")
    settings = AlignPairsSettings(
        target=("xx",),
        corpus=(str(tmp_path / "en-{target}.tsv"), str(tmp_path / "en-{target}.tmx")),
        dictionary=str(tmp_path / "en-{target}.txt"),
        output=tmp_path / "pairs",
        dry_run=True,
    )
    console = RecordingConsole()
    needs = STEPS["align-pairs"].load()(settings, console).details["needs"]
    assert [(bar.title, bar.done) for bar in console.bars] == [("counting lines", 7 + 3)]
    assert needs["disk-bytes"] == OF_PAIR * 10


class TestSample:
    def test_of_all_pairs_it_finds_what_the_run_reads(self, world: Path, tmp_path: Path) -> None:
        settings = settings_of(world, tmp_path / "out")["realign"]
        assert isinstance(settings, RealignSettings)
        sources = language_sources(resolve_pairs(settings.pairs), ())
        arch, tokenizer = architecture(skeleton(world / "encoder")), load_tokenizer(world / "encoder")
        packing = packing_for(loop.pick_device("cpu"))
        found = sample_texts(settings, sources, tokenizer, arch, packing)
        assert found is not None
        dataset = build_dataset(settings, sources, tokenizer, 1, Console())
        assert found.rows == len(set(dataset.token_ids()) - {dataset.pad_id})
        layouts = [make_batch(dataset.drawn(step), arch, 0, None, packing).layout for step in range(3)]
        assert found.positions == pytest.approx(max(each.positions for each in layouts), rel=0.3)

    def test_a_part_is_taken_from_several_places(self) -> None:
        assert spread(7, 8).tolist() == [*range(7)]
        rows = spread(1_000, 80).tolist()
        assert len(rows) == len(set(rows)) == 80
        assert rows == sorted(rows)
        assert (rows[0], rows[-1]) == (0, 999)


def test_measuring_is_for_dry_runs_of_steps_that_train() -> None:
    with pytest.raises(SettingsError, match="--measure goes with --dry-run"):
        RealignSettings(model="m", measure=True)
    with pytest.raises(SettingsError, match="--measure is for steps that train: realign and finetune"):
        EvaluateSettings(model="m", languages=("en",), dry_run=True, measure=True)
