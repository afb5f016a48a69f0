"""What a shell offers for a value when Tab is pressed; where nothing is offered, shells offer files.

Typer calls these functions with what is typed of the value, in a process of its own at every Tab. So they import
nothing heavy and print nothing, and a file that can't be read counts as none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path

import typer

from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.settings import Declaration
from alignfreeze_cli.tasks.registry import TASKS

Completer = Callable[[str], list[str]]
ALL_TASKS = "all"
"""Of `demo --tasks`."""


def one_of(values: Iterable[str]) -> Completer:
    """Offers the values that begin as typed."""
    offered = tuple(values)

    def complete(incomplete: str) -> list[str]:
        return [value for value in offered if value.startswith(incomplete)]

    return complete


def several_of(values: Iterable[str]) -> Completer:
    """The same for comma separated values: after `pos,n` it offers `pos,ner` and `pos,nli`, and nothing twice."""
    offered = tuple(values)

    def complete(incomplete: str) -> list[str]:
        if ":" in incomplete:  # bash would take the part after the colon for all of it
            return []
        before, comma, last = incomplete.rpartition(",")
        named = before.split(",")
        return [f"{before}{comma}{value}" for value in offered if value.startswith(last) and value not in named]

    return complete


def of_setting(declaration: Declaration) -> Completer | None:
    """Offers what the declaration of a setting offers, or None if it offers nothing.

    A text with a check may hold commas, as freeze plans do: what follows one is offered if the check lets it pass.
    """
    if not declaration.offered:
        return None
    if not declaration.is_list and declaration.metadata["check"] is None:
        return one_of(declaration.offered)
    complete_last = several_of(declaration.offered)

    def complete(incomplete: str) -> list[str]:
        found = complete_last(incomplete)
        return [value for value in found if declaration.complaint(declaration.convert(value)) is None]

    return complete


def recipe(incomplete: str) -> list[tuple[str, str]]:
    """Shipped recipes, each with what it is for, and recipes in this folder; further files are the shell's part."""
    from alignfreeze_cli.runs.recipe_files import first_line, shipped

    try:
        here = {path.name: path for path in sorted(Path().iterdir()) if path.suffix in (".yaml", ".yml")}
        found = {**shipped(), **here}.items()
        return [(name, first_line(path)) for name, path in found if name.startswith(incomplete) and path.is_file()]
    except OSError:
        return []


def strategies(ctx: typer.Context, incomplete: str) -> list[str]:
    """The strategies of the recipes that stand on the command line already."""
    from alignfreeze_cli.runs.recipes import load

    # The parser stops at an option without its value, and leaves the arguments before it where they are.
    recipes = [*(ctx.params.get("recipes") or ()), *ctx.args]
    try:
        named = [name for reference in recipes for name in load(reference).strategies]
    except AlignFreezeError:
        return []
    return several_of(dict.fromkeys(named))(incomplete)


def recipe_step(incomplete: str) -> list[str]:
    """The steps that have a section in recipes."""
    from alignfreeze_cli.runs.sections import SECTIONS

    return one_of(SECTIONS)(incomplete)


task = one_of(TASKS)
tasks = several_of(TASKS)


def demo_tasks(incomplete: str) -> list[str]:
    """`all`, or several tasks."""
    return [*one_of([ALL_TASKS])(incomplete), *tasks(incomplete)]


def mend_bash_words(environment: MutableMapping[str, str]) -> None:
    """Put words together that bash has cut at `=` and `:`, in its request for completion.

    Bash cuts a line there (COMP_WORDBREAKS) and completes the last piece alone: of `--freeze=fr` it hands over
    `--freeze`, `=` and `fr`, in lines of `COMP_WORDS`, with the number of the last one as `COMP_CWORD`. Typer takes the
    `=` for a value. Words after the one that is completed are dropped: they would count as the ones before it.
    """
    if environment.get("_ALIGNFREEZE_COMPLETE") != "complete_bash":
        return
    current = int(environment.get("COMP_CWORD", 0))
    mended: list[str] = []
    glued = False
    for word in environment.get("COMP_WORDS", "").split("\n")[: current + 1]:
        is_break = word != "" and not word.strip("=:")
        if mended and (glued or is_break):
            mended[-1] += word
        else:
            mended.append(word)
        glued = is_break
    environment["COMP_WORDS"] = "\n".join(mended)
    environment["COMP_CWORD"] = str(len(mended) - 1)
