"""The bridge from a step's settings to its command: every setting becomes an option, declared nowhere else."""

from __future__ import annotations

import inspect
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.console import ConsoleLog, TerminalConsole, print_json, print_result
from alignfreeze_cli.cli.errors import explain
from alignfreeze_cli.cli.needs import needs_text
from alignfreeze_cli.cli.pages import with_addresses
from alignfreeze_cli.phrases import printable
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import COMMON, Declaration, Settings, StepSettings, declarations, nearest
from alignfreeze_cli.signals import handled
from alignfreeze_cli.steps import STEPS

S = TypeVar("S", bound=Settings)
OUTPUT = "Output and common options"
FORMATS = ("text", "json")
_WIDEST = 19  # characters; what an option takes, said in more, would cut its name on a terminal of 80 columns

_QUIET = "Print only the path of the result."

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help=_QUIET, rich_help_panel=OUTPUT)]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="|".join(FORMATS),
        help="What is printed on stdout: text, or one JSON object.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.one_of(FORMATS),
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=OUTPUT)]


def add_step(app: typer.Typer, name: str, help: str, show: Callable[[Result], str]) -> None:
    """Add the command of a step of `STEPS` to the app. `show` renders a finished result as text for stdout."""
    step = STEPS[name]

    def run(settings: StepSettings, console: Console, quiet: bool, format: str) -> None:
        print_outcome(step.load()(settings, console), show, quiet, format)

    resumes = "checkpoint_every" in {each.name for each in declarations(step.settings)}
    hidden = [*([] if resumes else ["resume"]), *([] if step.settings.measurable else ["measure"])]
    add_command(app, name, help, step.settings, run, hidden)


def add_command(
    app: typer.Typer,
    name: str,
    help: str,
    settings: type[S],
    run: Callable[[S, Console, bool, str], None],
    hidden: Sequence[str] = (),
    about_quiet: str = _QUIET,
) -> None:
    """Add a command whose options are the settings, and the common ones. `hidden` are accepted but not in the help.

    `run` gets settings, console, and what `--quiet` and `--format` say; settings may have a `format` of their own.
    """
    declared = declarations(settings)
    own_format = "format" in {each.name for each in declared}

    def command(quiet: bool, debug: bool, **values: Any) -> None:
        format = "text" if own_format else values["format"]
        with command_errors(quiet, format, debug) as console:
            given = {each.name: _convert(each, values[each.name]) for each in declared}
            run(settings(**given), console, quiet, format)

    # Headings stand in the order of their first options: those of a single task or aligner after those of all.
    ordered = sorted(declared, key=lambda each: str(each.metadata["panel"]).startswith(("With ", "For ")))
    ordered.sort(key=lambda each: each.name in COMMON)
    parameters = [_parameter(each, hidden=each.name in hidden) for each in ordered]
    said = typer.Option("--quiet", "-q", help=about_quiet, rich_help_panel=OUTPUT)
    parameters += [_keyword("quiet", False, Annotated[bool, said]), _keyword("debug", False, Debug)]
    if not own_format:
        parameters.insert(-1, _keyword("format", "text", Format))
    # Typer reads the signature, so one function serves every command.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.command(name, help=help)(command)


def reflow(help: str) -> str:
    """A help text whose paragraphs fill any terminal: Typer keeps line ends, and the indentation of some lines only.

    Lines of code, which are indented, stay lines.
    """
    paragraphs = []
    for paragraph in with_addresses(help.strip()).split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines()]
        paragraphs.append(("\n" if paragraph.startswith("    ") else " ").join(lines))
    return "\n\n".join(paragraphs)


@contextmanager
def command_errors(quiet: bool, format: str, debug: bool) -> Iterator[Console]:
    """The console of a command; an exception inside the block becomes one sentence on stderr and an exit code."""
    console = TerminalConsole(quiet=quiet or format == "json")
    if format not in FORMATS:
        _fail(f"--format must be {' or '.join(FORMATS)}, not {format!r}{nearest(format, FORMATS) or '.'}", 2)
    _silence_libraries(console)
    logging.getLogger("alignfreeze").handlers = [ConsoleLog(console)]
    try:
        with handled(_interrupt, signal.SIGTERM):  # ends a command as Ctrl-C does; training has a handler of its own
            yield console if _is_main_process() else Console()
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        _fail(*explain(error))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def print_outcome(result: Result, show: Callable[[Result], str], quiet: bool, format: str) -> None:
    """Print a result to stdout: its path, one JSON object, or the step's own text."""
    if not _is_main_process():
        return
    if format == "json":
        record = result.record
        made = {"kind": record.kind, "digest": record.digest, "seconds": record.seconds} if record else {}
        print_json({"path": str(result.path), "status": result.status, **made, "details": dict(result.details)})
    elif quiet:
        print_result(str(result.path))
    elif result.status == "planned":
        print_result("\n".join(["Would do (dry run):", *_tree(result.details, 1)]))
    else:
        ending = {"made": "", "already done": " (already done: same settings, same inputs)"}[result.status]
        print_result(f"{_shown(result, show)}\n{result.path}{ending}".lstrip("\n"))


def _shown(result: Result, show: Callable[[Result], str]) -> str:
    """The step's own text; of a folder that was there, whose record another version may have written, if it fits."""
    try:
        return show(result)
    except (LookupError, TypeError, ValueError, AttributeError):
        if result.status == "made":
            raise
        return ""


def _is_main_process() -> bool:
    """Whether this is the main process of a `torchrun`, or the only one; the others print nothing."""
    return os.environ.get("RANK", "0") == "0"


def _tree(value: Any, depth: int) -> list[str]:
    lines = []
    for key, item in value.items():
        if key == "needs":
            lines += _tree({"it takes": needs_text(item)}, depth)
        elif isinstance(item, dict):
            lines += ["  " * depth + f"{key}:", *_tree(item, depth + 1)]
        elif isinstance(item, str) and "\n" in item:
            lines += ["  " * depth + f"{key}:", *("  " * (depth + 1) + line for line in item.splitlines())]
        else:
            text = ", ".join(map(str, item)) if isinstance(item, list | tuple) else item
            lines.append("  " * depth + f"{key}: " + (f"{text:,}" if type(text) is int else str(text)))
    return lines


def _parameter(declaration: Declaration, hidden: bool = False) -> inspect.Parameter:
    """One keyword parameter with Typer's annotation for one setting; a hidden one is accepted but not in the help."""
    metadata = declaration.metadata
    names = [f"--{declaration.key}"] + ([metadata["short"]] if metadata["short"] else [])
    kind: Any = str if declaration.type is Path else declaration.type
    if declaration.is_list:
        kind = list[Path] if declaration.item is Path else list[str]
    if kind is bool and declaration.default:
        names[0] += f"/--no-{declaration.key}"
    help, metavar = with_addresses(metadata["help"]), metadata["metavar"]
    if metadata["argument"]:
        argument = typer.Argument(
            help=help, metavar=metavar, show_default=False, autocompletion=completion.of_setting(declaration)
        )
        if declaration.required:
            return _keyword(declaration.name, inspect.Parameter.empty, Annotated[kind, argument])
        return _keyword(declaration.name, None, Annotated[kind | None, argument])
    if metavar is None and metadata["choices"]:
        metavar = "|".join(metadata["choices"])
        if len(metavar) > _WIDEST:
            metavar = "CHOICE"
            if any(not re.search(rf"(?<![\w-]){choice}(?![\w-])", help) for choice in metadata["choices"]):
                help = f"{help} ({', '.join(metadata['choices'])})"  # unless they are all explained there
    option = typer.Option(
        *names,
        help=help.replace("[", r"\["),  # or the terminal takes "[default: …]" for its markup
        metavar=metavar,
        rich_help_panel=OUTPUT if declaration.name in COMMON else metadata["panel"] or "Settings",
        show_default=declaration.default not in (None, False, ()),
        hidden=hidden,
        autocompletion=completion.of_setting(declaration),
    )
    default: Any = inspect.Parameter.empty if declaration.required else declaration.default
    if isinstance(default, tuple):
        default = list(default) or None
    optional = declaration.optional or default is None
    default = str(default) if isinstance(default, Path) else default
    return _keyword(declaration.name, default, Annotated[kind | None if optional else kind, option])


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _convert(declaration: Declaration, value: Any) -> Any:
    """What Typer hands over, as the declared type."""
    if declaration.is_list:
        return declaration.default if not value else declaration.convert(list(value))
    if declaration.type is Path and value is not None:
        return Path(value)
    return value


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"alignfreeze: {printable(with_addresses(sentence))}\n")
    raise typer.Exit(code)


def _silence_libraries(console: TerminalConsole) -> None:
    """Keep libraries from printing between our lines; set before they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if console.quiet or not console.stderr.is_terminal:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
