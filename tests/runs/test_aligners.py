"""Aligners as a dimension of strategies: every published run can be asked for, pairs are shared, mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.published import rows
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import RecipeError, load

PUBLISHED = {
    "dictionary": ("", "dictionary"),
    "fastalign": ("-fastalign", "fast-align"),
    "awesome": ("-awesome", "encoder"),
}
"""Aligner of published runs -> what it adds to names, and what align-pairs calls it."""

OWN = """\
extends: paper
model: org/m
tasks: [pos]
aligner: [dictionary, awesome, reversed]
controls: [shuffled]
aligners:
  reversed: {align-pairs: {aligner: dictionary, reverse-dictionary: own}}
strategies:
  baseline: {realign: false}
  front: {freeze: front}
  shuffled: {realign: {links: shuffled}}
  ready: {pairs: [folder]}
  folded: {align-pairs: {fold-case: true}}
"""


def own(folder: Path, text: str = OWN) -> Path:
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    return folder / "own.yaml"


def aligned(graph: Graph) -> dict[str, str]:
    """Folder of pairs -> its aligner."""
    return {
        node.name: str(node.settings.recorded()["aligner"])
        for node in graph.nodes.values()
        if node.step == "align-pairs"
    }


def test_every_published_run_can_be_asked_for(tmp_path: Path) -> None:
    graphs: dict[tuple[str, str], Graph] = {}
    for run in rows():
        kind = run["strategy"].partition("_")[0]
        recipe, aligner = f"{run['model']}-{kind}", run["aligner"] or "dictionary"
        if (recipe, aligner) not in graphs:
            graphs[recipe, aligner] = expand([load(recipe, [f"aligner={aligner}"])], tmp_path)
        graph = graphs[recipe, aligner]
        suffix, _ = PUBLISHED[aligner]
        folder = f"{run['model']}-{run['strategy'].replace('_', '-')}{suffix}-s{run['seed']}"
        task = {"udpos": "pos"}.get(run["task"], run["task"])
        finetune = graph.nodes[f"{folder}/{task}"]
        steps = {graph.nodes[name].step for name in finetune.needs}
        assert steps == {"baseline": set(), "during": {"align-pairs"}}.get(kind, {"realign"})
    assert len(graphs) == 3 * (1 + 4 * len(PUBLISHED))
    for (recipe, aligner), graph in graphs.items():
        if not recipe.endswith("baseline"):
            suffix, name = PUBLISHED[aligner]
            assert aligned(graph) == {f"pairs{suffix}": name}


def test_a_strategy_without_its_aligner_means_all_of_its_aligners_unless_one_is_called_so(tmp_path: Path) -> None:
    def chosen(aligners: str, *strategies: str) -> list[str]:
        recipe = load(own(tmp_path), [f"aligner={aligners}", "seeds=0"])
        return [run.strategy for run in expand([recipe], tmp_path / "runs", strategies).runs]

    assert chosen("awesome,reversed", "front") == ["front-awesome", "front-reversed"]
    assert chosen("awesome,reversed", "baseline", "front-reversed") == ["baseline", "front-reversed"]
    assert chosen("dictionary,awesome", "front") == ["front"]
    several = [
        load(own(tmp_path), [f"aligner={each}", "seeds=0", f"name={each}"]) for each in ("awesome", "dictionary")
    ]
    runs = expand(several, tmp_path / "runs", ("front",)).runs
    assert [(run.model, run.strategy) for run in runs] == [("awesome", "front-awesome"), ("dictionary", "front")]
    with pytest.raises(SettingsError, match=r"--strategies: there is no 'frnt', only baseline, front-awesome,"):
        chosen("awesome,reversed", "frnt")


def test_awesome_is_as_in_the_paper_and_needs_a_model(tmp_path: Path) -> None:
    graph = expand([load("xlm-roberta-base-front", ["aligner=awesome"])], tmp_path)
    settings = graph.nodes["pairs-awesome"].settings.recorded()
    assert (settings["extract"], settings["softmax-threshold"], settings["align-block"]) == ("softmax", 0.001, 7)
    assert settings["softmax-temperature"] is None
    assert settings["encoder"] == "./model_without_co"  # which nobody has before it was converted
    graph = expand([load("xlm-roberta-base-front", ["aligner=awesome", "align-pairs.encoder=mine"])], tmp_path)
    assert graph.nodes["pairs-awesome"].settings.recorded()["encoder"] == "mine"


def test_fastalign_is_symmetrised_as_in_the_paper(tmp_path: Path) -> None:
    graph = expand([load("xlm-roberta-base-front", ["aligner=fastalign"])], tmp_path)
    assert graph.nodes["pairs-fastalign"].settings.recorded()["symmetrise"] == "grow-diag-final-and"


def test_what_has_pairs_to_align_is_crossed_with_the_aligners(tmp_path: Path) -> None:
    recipe = load(own(tmp_path), ["align-pairs.encoder=mine", "seeds=1"])
    crossed = [f"{name}{end}" for name in ("front", "shuffled") for end in ("", "-awesome", "-reversed")]
    folded = ["folded", "folded-awesome", "folded-reversed"]  # an encoder reads no fold-case
    assert recipe.strategies == ("baseline", *crossed, "ready", *folded)
    graph = expand([recipe], tmp_path)
    assert aligned(graph) == {
        "pairs": "dictionary",
        "pairs-awesome": "encoder",
        "pairs-reversed": "dictionary",
        "pairs-folded": "dictionary",
        "pairs-reversed-folded": "dictionary",
    }
    controls = {run.strategy for run in graph.runs if run.control}
    assert controls == {"shuffled", "shuffled-awesome", "shuffled-reversed"}
    assert (tmp_path / "pairs-awesome") in {
        tmp_path / link.removeprefix("../") for run in graph.runs for link in run.links.values()
    }


def test_recipes_share_the_pairs_of_an_aligner(tmp_path: Path) -> None:
    names = ("xlm-roberta-base-front", "bert-base-multilingual-cased-full", "xlm-roberta-base-baseline")
    graph = expand([load(name, ["aligner=dictionary,awesome"]) for name in names], tmp_path)
    assert aligned(graph) == {"pairs": "dictionary", "pairs-awesome": "encoder"}


def test_without_an_aligner_nothing_is_crossed(tmp_path: Path) -> None:
    assert load("xlm-roberta-base-front").strategies == ("front",)
    assert load("xlm-roberta-base-front", ["aligner=dictionary"]).strategies == ("front",)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (
            ["aligner=awesom"],
            "own.yaml: aligner: there is no 'awesom' among dictionary, fastalign, awesome, reversed of `aligners`; ",
        ),
        (["aligner=dictionary", "align-pairs.encoder=m"], "--set: align-pairs.encoder: goes with the aligner encoder"),
        (["aligners=x"], "--set aligners=x: aligners can't be set here"),
        (["aligner=a b"], "must be a name of letters, digits, dots and hyphens, not 'a b'"),
    ],
)
def test_mistakes(overrides: list[str], complaint: str, tmp_path: Path) -> None:
    text = OWN.replace("  folded: {align-pairs: {fold-case: true}}\n", "")
    with pytest.raises(RecipeError, match=complaint):
        load(own(tmp_path, text), overrides)


def test_an_aligner_without_a_definition(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no 'awesome' since the recipe has no `aligners`"):
        load(own(tmp_path, "extends: default\naligner: awesome\n"))
    with pytest.raises(
        RecipeError, match=r"own.yaml:3: aligners.a.align-pair: unknown key; did you mean 'align-pairs'"
    ):
        load(own(tmp_path, "extends: default\naligners:\n  a: {align-pair: {}}\n"))


def test_another_aligner_takes_back_what_is_for_the_one_before(tmp_path: Path) -> None:
    text = "extends: paper\nmodel: org/m\nalign-pairs: {aligner: pharaoh, links: 'links/{target}.txt'}\n"
    section = load(own(tmp_path, text)).variant(None, "pos").sections["align-pairs"]
    assert {"words", "corpus", "links"} <= set(section)
    assert not {"reverse-dictionary", "normalise", "fold-case"} & set(section)
