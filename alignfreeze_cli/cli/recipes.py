"""`alignfreeze recipes`: list, show, validate and copy recipes, the reference of all settings, and their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import OUTPUT, Debug, Format, Quiet, command_errors, reflow
from alignfreeze_cli.cli.pages import with_page
from alignfreeze_cli.errors import OutputExistsError, SettingsError

if TYPE_CHECKING:
    from alignfreeze_cli.runs.recipes import Recipe

recipes = typer.Typer(
    help=reflow(with_page("recipes", "List, show, check and copy recipes, and print every setting there is.")),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MOST_STRATEGIES = 6
"""Of more strategies than this, `recipes list` names only some; `recipes show` has them all."""

OnlyNames = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the names.", rich_help_panel=OUTPUT)]
OnlyMistakes = Annotated[bool, typer.Option("--quiet", "-q", help="Print only mistakes.", rich_help_panel=OUTPUT)]
Name = Annotated[
    str,
    typer.Argument(help="A shipped recipe by name, or a file.", show_default=False, autocompletion=completion.recipe),
]


def add(app: typer.Typer) -> None:
    app.add_typer(recipes, name="recipes")


@recipes.command("list")
def list_(quiet: OnlyNames = False, format: Format = "text", debug: Debug = False) -> None:
    """List the shipped recipes: name, model, strategies, and what each is for.

    alignfreeze recipes list
    """

    with command_errors(quiet, format, debug):
        from alignfreeze_cli.runs.recipe_files import shipped
        from alignfreeze_cli.runs.recipes import load

        found = [_entry(load(name)) for name in shipped()]
        if format == "json":
            print_json({"recipes": found})
        elif quiet:
            print_result("\n".join(entry["name"] for entry in found))
        else:
            rows = [[e["name"], e["model"] or "–", _short(e["strategies"]) or "–", e["about"]] for e in found]
            print_result(_columns([["recipe", "model", "strategies", "what it is"], *rows]))


@recipes.command("show")
def show(
    name: Name,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With all it extends: every setting of every step, defaults included.")
    ] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help="As in `alignfreeze run`.")] = None,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    """Print a recipe: its file, or, with --resolved, every setting of every step once all it extends is merged.

    alignfreeze recipes show xlm-roberta-base-front --resolved
    """

    with command_errors(False, format, debug):
        from alignfreeze_cli.runs.recipes import load
        from alignfreeze_cli.runs.reference import resolved as merged
        from alignfreeze_cli.runs.reference import resolved_text

        recipe = load(name, set_ or ())
        if format == "json":
            print_json({**_entry(recipe), "resolved": merged(recipe)})
        elif resolved:
            print_result(resolved_text(recipe))
        else:
            print_result(recipe.files[-1].path.read_text(encoding="utf-8").rstrip("\n"))


@recipes.command("validate")
def validate(
    paths: Annotated[
        list[str],
        typer.Argument(help="Recipe files, or shipped names.", show_default=False, autocompletion=completion.recipe),
    ],
    quiet: OnlyMistakes = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    """Check recipes: every mistake of every file at once, with its line and the nearest valid key.

    For a recipe without mistakes, the published behaviours that it sets are named.

    alignfreeze recipes validate my-recipe.yaml
    """

    with command_errors(quiet, format, debug):
        from alignfreeze_cli.runs.recipes import RecipeError, load

        problems: dict[str, list[str]] = {}
        for path in paths:
            try:
                recipe = load(path)
            except SettingsError as error:
                problems[path] = list(error.problems) if isinstance(error, RecipeError) else [str(error)]
                continue
            problems[path] = []
            if format == "text" and not quiet:
                print_result(_fine(path, recipe))
        if format == "json":
            print_json({"recipes": [{"recipe": path, "problems": found} for path, found in problems.items()]})
        # One mistake may come from a file that several recipes extend.
        every = list(dict.fromkeys(problem for found in problems.values() for problem in found))
        if every:
            raise RecipeError(every)


@recipes.command("copy")
def copy(
    name: Name,
    to: Annotated[
        Path | None, typer.Argument(help="File or folder; by default the current folder.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    """Copy a shipped recipe into a file of your own, to change it. It still extends the shipped ones.

    alignfreeze recipes copy xlm-roberta-base-front my-recipe.yaml
    """

    with command_errors(quiet, format, debug):
        from alignfreeze_cli.runs.recipe_files import copied, find

        source = find(name)
        target = to or Path(source.name)
        target = target / source.name if target.is_dir() else target
        if target.exists() or target.is_symlink():
            raise OutputExistsError(f"{target} exists; name another file.")
        if target.suffix not in (".yaml", ".yml"):
            raise SettingsError(f"{target}: a recipe's name must end in .yaml.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(copied(source))
        if format == "json":
            print_json({"path": str(target), "copied": str(source)})
        else:
            print_result(str(target))


@recipes.command("settings")
def settings(
    step: Annotated[
        str | None,
        typer.Argument(help="Only this step.", show_default=False, autocompletion=completion.recipe_step),
    ] = None,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    """Print every setting of every step: key, type, default and what it does.

    The keys are those of recipes, and the names of the options on the command line.

    alignfreeze recipes settings realign
    """

    with command_errors(False, format, debug):
        from alignfreeze_cli.runs.reference import reference, reference_text

        if format == "json":
            print_json(reference(step))
        else:
            print_result(reference_text(step))


@recipes.command("schema")
def schema() -> None:
    """Print the JSON Schema of recipes, by which editors complete and check them.

    alignfreeze recipes schema > recipe.schema.json

    Shipped recipes and copies of them name it in their first line. For a recipe of your own, put the file beside it and
    let it begin with `# yaml-language-server: $schema=recipe.schema.json`.
    """
    from alignfreeze_cli.runs.schema import schema_text

    print_result(schema_text().rstrip("\n"))


def _fine(path: str, recipe: Recipe) -> str:
    from alignfreeze_cli.runs.sections import published_behaviours

    text = f"{path}: fine" + ("" if recipe.model else " (no model: for others to extend)")
    used = ((step, variant.sections[step]) for variant in recipe.variants() for step in variant.steps)
    published = published_behaviours(used)
    return text + (f"\n  published behaviours: {', '.join(published)}" if published else "")


def _entry(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "about": recipe.about,
        "model": recipe.model,
        "strategies": list(recipe.strategies) if recipe.model else [],
        "tasks": list(recipe.tasks),
        "seeds": list(recipe.seeds),
        "path": str(recipe.files[-1].path),
    }


def _short(names: list[str]) -> str:
    if len(names) <= MOST_STRATEGIES:
        return ",".join(names)
    return f"{','.join(names[: MOST_STRATEGIES // 2])}, … {len(names)} in all"


def _columns(rows: list[list[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
