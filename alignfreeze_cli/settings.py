"""A setting is declared once: name, type, default, help and check in one dataclass field.

The command line options (`cli/options.py`), the keys of a recipe (`runs/recipes.py`), the validation and the reference
(`alignfreeze recipes settings`) all come from these declarations.

    @dataclass(frozen=True, kw_only=True)
    class RealignSettings(StepSettings):
        temperature: float = setting(0.1, help="Temperature of the loss.", minimum=0.0, above=True)

Types: str, int, float, bool, Path, each also as `X | None`, and `tuple[str, ...]` (a list, or comma separated).
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from alignfreeze_cli.errors import SettingsError

Check = Callable[[Any], str | None]
S = TypeVar("S", bound="Settings")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    choices: Iterable[str] | None = None,
    suggested: Iterable[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    above: bool = False,
    check: Check | None = None,
    input: bool = False,
    result: bool = True,
    metavar: str | None = None,
    short: str | None = None,
    argument: bool = False,
    panel: str | None = None,
) -> Any:
    """Declare one setting.

    `minimum` and `maximum` are inclusive, `above=True` excludes the minimum itself. `check` gets the value and
    returns a complaint or None. `input` marks what names an input: the digest of that input counts for identity, not
    its spelling. `result=False` marks what cannot change the result (number of workers, checkpoint cadence). `argument`
    marks what the command line takes without a name; `panel` is the heading above it in the help. `suggested` are
    values that shells and editors offer although others are allowed, too.
    """
    metadata = {
        "help": help,
        "choices": tuple(choices) if choices is not None else None,
        "suggested": tuple(suggested),
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "check": check,
        "input": input,
        "result": result and not input,
        "metavar": metavar,
        "short": short,
        "argument": argument,
        "panel": panel,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Declaration:
    """What is known of one setting; `type` is the bare type, without `| None`."""

    name: str
    type: Any
    optional: bool
    default: Any
    metadata: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The name on the command line and in recipes: hyphens for underscores."""
        return self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def is_list(self) -> bool:
        return typing.get_origin(self.type) is tuple

    @property
    def item(self) -> Any:
        """The type of a list's items, otherwise the type itself."""
        return typing.get_args(self.type)[0] if self.is_list else self.type

    def convert(self, value: Any) -> Any:
        """Bring a value from YAML or a `key=value` text to the declared type; raises ValueError with a complaint."""
        if value is None or (self.optional and value in ("none", "null", "") and self.type is not str):
            if self.optional:
                return None
            raise ValueError("needs a value")
        if self.is_list:
            items = value.split(",") if isinstance(value, str) else value
            if not isinstance(items, list | tuple):
                raise ValueError(f"must be a list, not {value!r}")
            if self.item is Path:  # a comma may be part of a path
                return tuple(Path(_text(item)) for item in items)
            parts = (part.strip() for item in items for part in _text(item).split(","))
            return tuple(part for part in parts if part)
        if self.type is bool:
            if isinstance(value, bool):
                return value
            if str(value).lower() in ("true", "yes", "on", "1"):
                return True
            if str(value).lower() in ("false", "no", "off", "0"):
                return False
            raise ValueError(f"must be true or false, not {value!r}")
        if self.type is str:
            return _text(value)
        if self.type is Path:
            return Path(_text(value))
        if isinstance(value, bool):
            raise ValueError(f"must be a number, not {value!r}")
        try:
            if self.type is int and isinstance(value, float) and not value.is_integer():
                raise ValueError
            # YAML 1.1 reads "1e-5" as a string, so numbers arrive as text too.
            return self.type(value)
        except (TypeError, ValueError):
            kind = {int: "a whole number", float: "a number"}[self.type]
            raise ValueError(f"must be {kind}, not {value!r}") from None

    @property
    def offered(self) -> tuple[str, ...]:
        """The values that shells and editors offer: all that are allowed where they are few, else those suggested."""
        return self.metadata["choices"] or self.metadata["suggested"]

    def complaint(self, value: Any) -> str | None:
        """What is wrong with a value of the right type, or None."""
        if value is None:
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be a number, not {value}"
        choices, low, high = (self.metadata[k] for k in ("choices", "minimum", "maximum"))
        if choices is not None:
            for item in value if self.is_list else (value,):
                if item not in choices:
                    return f"must be one of {', '.join(choices)}, not {item!r}" + nearest(item, choices)
        if low is not None and (value <= low if self.metadata["above"] else value < low):
            return f"must be {'above' if self.metadata['above'] else 'at least'} {low:g}, not {value:g}"
        if high is not None and value > high:
            return f"must be at most {high:g}, not {value:g}"
        check = self.metadata["check"]
        return check(value) if check is not None else None


def _text(value: Any) -> str:
    if isinstance(value, str | int | float | Path) and not isinstance(value, bool):
        return str(value)
    # An unquoted `no` (Norwegian) or `on` is a boolean in YAML; say so instead of passing "False" on.
    raise ValueError(f"must be text, not {value!r}; put it in quotes")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a command, checked when they are made: SettingsError with all that is wrong."""

    def __post_init__(self) -> None:
        complaints = []
        for declaration in declarations(type(self)):
            complaint = declaration.complaint(getattr(self, declaration.name))
            if complaint:
                complaints.append(f"--{declaration.key} {complaint}")
        complaints.extend(self.conflicts())
        if complaints:
            raise SettingsError(_sentence(complaints))

    def conflicts(self) -> list[str]:
        """Complaints about settings that do not go together; subclasses add theirs."""
        return []


@dataclass(frozen=True, kw_only=True)
class StepSettings(Settings):
    """What every step takes; a step's own settings follow in its subclass.

    `changes` says, oldest first, what a step came to do otherwise under equal settings. How many there are is part of
    the identity of what it makes, so that a folder of older code is not taken for a finished one. `measurable`: whether
    the step trains, so that its first steps tell how long it takes.
    """

    changes: ClassVar[tuple[str, ...]] = ()
    measurable: ClassVar[bool] = False

    output: Path | None = setting(
        None, help="Folder of the result; it appears there whole or not at all.", result=False, short="-o"
    )
    overwrite: bool = setting(
        False, help="Replace an output that was made with other settings or inputs.", result=False
    )
    resume: bool = setting(
        False, help="Go on from the last checkpoint, if there is one (realign and finetune).", result=False
    )
    dry_run: bool = setting(
        False, help="Say what would be done and what it takes (memory, disk), and do nothing.", result=False
    )
    measure: bool = setting(
        False,
        help="With --dry-run: also how long it takes, and the memory it really takes, by ten steps of training "
        "(realign and finetune).",
        result=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.measure and not self.dry_run:
            raise SettingsError("--measure goes with --dry-run.")
        if self.measure and not self.measurable:
            raise SettingsError("--measure is for steps that train: realign and finetune.")

    # Not for users to set; `alignfreeze run` does.
    run_id: str = ""
    """Id of the output folder of the run that this step is part of."""
    weights_wanted: bool = True
    """Whether an output that has lost its weights to `run --keep` is made again; otherwise it is done already."""

    def recorded(self) -> dict[str, Any]:
        """Every setting as it goes into the record, keys as on the command line."""
        return {d.key: plain(getattr(self, d.name)) for d in self._noted() if d.name not in COMMON}

    def identity(self) -> dict[str, Any]:
        """The settings that decide the result; inputs are left out, their digests stand for them."""
        return {d.key: plain(getattr(self, d.name)) for d in self._noted() if d.metadata["result"]}

    def left_out(self, name: str) -> bool:
        """Whether records and identity leave a setting out, for subclasses to say: it is an addition that is not used.

        So what was made before the setting existed, or has no use for it, stays finished.
        """
        return False

    def _noted(self) -> list[Declaration]:
        return [each for each in declarations(type(self)) if not self.left_out(each.name)]


COMMON = {field.name for field in dataclasses.fields(StepSettings)}
"""Names of the settings that every step has."""


def declarations(settings: type[Settings]) -> tuple[Declaration, ...]:
    """The settings of a step in the order of their declaration, those that every step has last."""
    return _declarations(settings)  # type: ignore[arg-type]  # a class is hashable


@functools.cache
def _declarations(settings: Any) -> tuple[Declaration, ...]:
    hints = typing.get_type_hints(settings)
    found = []
    for field in dataclasses.fields(settings):
        if not field.metadata:
            continue
        hint, optional = hints[field.name], False
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
            optional = True
        found.append(Declaration(field.name, hint, optional, field.default, field.metadata))
    return tuple(sorted(found, key=lambda d: d.name in COMMON))


def _sentence(complaints: Iterable[str]) -> str:
    text = "; ".join(complaints)
    return text if text.endswith("?") else text + "."


def plain(value: Any) -> Any:
    """A value as JSON and YAML can hold it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def as_list(value: Any) -> list[Any]:
    """A list, also from comma separated text or a single value."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word that looks most alike, or nothing."""
    match = difflib.get_close_matches(str(word), [str(k) for k in known], n=1)
    return f"; did you mean {match[0]!r}?" if match else ""


def nearest_or_all(word: str, known: Iterable[str]) -> str:
    """`nearest`, and where nothing looks alike all that is known: `; known are a, b, c`."""
    names = [str(each) for each in known]
    return nearest(word, names) or f"; known are {', '.join(names)}"


def problems_of(settings: type[Settings], values: Mapping[str, Any]) -> list[str]:
    """Every unknown key and unusable value of a section of a recipe, as sentences that begin with the key."""
    known = {d.key: d for d in declarations(settings)}
    problems = []
    for key, value in values.items():
        declaration = known.get(str(key).replace("_", "-"))
        if declaration is None:
            problems.append(f"{key}: unknown key" + nearest_or_all(str(key), known))
            continue
        try:
            complaint = declaration.complaint(declaration.convert(value))
        except ValueError as error:
            complaint = str(error)
        if complaint:
            problems.append(f"{key}: {complaint}")
    return problems


def from_mapping(settings: type[S], values: Mapping[str, Any], where: str = "settings") -> S:
    """Build settings from a mapping whose keys are written as on the command line.

    Raises SettingsError that lists every problem at once, each with `where` and its key.
    """
    known = {d.key: d for d in declarations(settings)}
    given = {str(key).replace("_", "-"): value for key, value in values.items()}
    problems = problems_of(settings, values)
    problems += [f"{key}: needs a value" for key, d in known.items() if d.required and key not in given]
    if problems:
        raise SettingsError(_sentence(f"{where}: {problem}" for problem in problems))
    return settings(**{known[key].name: known[key].convert(value) for key, value in given.items()})


def to_options(settings: StepSettings) -> list[str]:
    """The options of a command line that say these settings, those with default values left out.

    SettingsError for a setting that no command line can say.
    """
    found = []
    for declaration in declarations(type(settings)):
        value = getattr(settings, declaration.name)
        if value != declaration.default:
            found += to_option(declaration, value)
    return found


def to_option(declaration: Declaration, value: Any) -> list[str]:
    """One setting as arguments of a command line, its value typed as declared or as JSON holds it."""
    if declaration.metadata["argument"]:
        return [str(item) for item in (value if declaration.is_list else [value])]
    name = f"--{declaration.key}"
    if value is None or value == () or value == []:
        raise SettingsError(f"{name} can't be taken back on a command line; leave it out of the recipe.")
    if declaration.is_list and any("," in str(item) for item in value):
        raise SettingsError(f"{name}: a command line takes the comma in {plain(value)} for the end of a value; rename.")
    if isinstance(value, bool):
        return [name if value else f"--no-{declaration.key}"]
    text = ",".join(map(str, value)) if declaration.is_list else str(plain(value))
    return [f"{name}={text}"] if text.startswith("-") or not text else [name, text]
