"""What a graph reads from elsewhere: every setting that names an input is known, and nothing that the graph makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.errors import HubError
from alignfreeze_cli.runs.downloads import OTHERS, demand_downloads, downloads_of
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.paths import ARTIFACTS
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.sections import SECTIONS
from alignfreeze_cli.settings import declarations
from tests.runs import world


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.name)
def test_every_input_of_a_step_is_looked_at(section) -> None:  # type: ignore[no-untyped-def]
    inputs = {each.name for each in declarations(section.settings) if each.metadata["input"]}
    assert inputs <= {*ARTIFACTS, *OTHERS}


def titles(recipe: str, *overrides: str) -> list[tuple[str, str]]:
    graph = expand([load(recipe, overrides)], Path("runs"))
    return [(download.title, ",".join(download.parts)) for download in downloads_of(graph)]


def test_the_papers_recipe_reads_each_thing_once() -> None:
    found = titles("xlm-roberta-base-front", "targets=de,fr", "seeds=1,2", "tasks=pos,nli")
    assert found == [
        ("parallel text opus-100", "de"),
        ("dictionaries of MUSE", "de"),
        ("parallel text opus-100", "fr"),
        ("dictionaries of MUSE", "fr"),
        ("model FacebookAI/xlm-roberta-base", ""),
        ("training data of pos (Universal Dependencies)", "en"),
        ("test data of pos (Universal Dependencies)", "en,de,fr"),
        ("training data of nli (XNLI)", "en"),
        ("test data of nli (XNLI)", "en,de,fr"),
    ]


def test_other_aligners_blends_and_pairs_of_the_hub(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "extends: xlm-roberta-base-baseline\ntargets: [fr]\nseeds: [1]\ntasks: [pos]\n"
        "finetune: {language: de}\n"
        "strategies:\n"
        "  iterated: {realign: {freeze: front}, align-pairs: {aligner: encoder}}\n"
        "  again: {realign: {freeze: front}, links-from: iterated, align-pairs: {aligner: encoder}}\n"
        "  pushed: {realign: {freeze: none}, pairs: org/pairs, blend: {alpha: 0.5}}\n"
        "  filtered: {realign: {freeze: back}, align-pairs: {filter: similarity, filter-encoder: org/sentences}}\n"
    )
    found = titles(str(own), "align-pairs.corpus=org/text,texts/{pair}.tsv")
    assert [title for title, _ in found if title.split()[0] in ("model", "pairs", "parallel")] == [
        "model FacebookAI/xlm-roberta-base",
        "parallel text org/text",
        "pairs org/pairs",
        "model org/sentences",
    ]
    assert ("training data of pos (Universal Dependencies)", "de") in found


def test_a_recipe_of_local_files_needs_nothing_else(tmp_path: Path) -> None:
    data = world.make(tmp_path / "world")
    graph = expand([load(world.recipe(tmp_path, data))], tmp_path / "runs")
    assert downloads_of(graph) == []
    demand_downloads(graph, "fetch it")


def test_what_is_missing_is_told_with_the_command_that_brings_it() -> None:
    graph = expand([load("xlm-roberta-base-baseline", ["tasks=pos", "targets=de"])], Path("runs"))
    with pytest.raises(HubError) as error:
        demand_downloads(graph, "alignfreeze fetch that")
    said = str(error.value).splitlines()
    assert said[0] == "Offline, and the caches lack 3 things that the steps read:"
    assert "  model FacebookAI/xlm-roberta-base" in said
    assert said[-1].endswith("with the same HF_HOME and ALIGNFREEZE_CACHE: alignfreeze fetch that")
