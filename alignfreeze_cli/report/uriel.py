"""Distances between any two languages, computed when they are needed by `urielplus` (the extra `distances`).

URIEL has feature vectors of some 8,000 languages (Littell et al. 2017). `urielplus` (Khan et al. 2025) brings them and
defines the distance: the angle between two vectors over the features that are known of both languages, from 0 to 1
where no two values have opposite signs. Library and data are CC BY-SA 4.0, so none of them is in this repository;
a report says where its distances come from.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alignfreeze_cli.errors import SettingsError

EXTRA = "distances"
CITATION = "Littell et al. 2017, Khan et al. 2025, CC BY-SA 4.0"


def available() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("urielplus") is not None


def may_know(code: str) -> bool:
    """Whether a code can be that of a real language, as those of made-up worlds can't (qaa to qtz, xx)."""
    import langcodes

    private = len(code) == 3 and "qaa" <= code.lower() <= "qtz"
    return not private and langcodes.tag_is_valid(code)


def title(kind: str, source: str) -> str:
    """What it is, where it comes from and under which licence, for the report."""
    version = importlib.metadata.version("urielplus")
    return f"{kind} distance from {source} (URIEL, angle over features known of both; urielplus {version}; {CITATION})"


def distances(kind: str, source: str, targets: Iterable[str]) -> dict[str, float]:
    """Target → distance from the source; targets that URIEL does not know are left out.

    `kind`: syntactic, genetic, geographic, phonological, inventory or featural. Codes as ISO 639-1, 639-3 or BCP 47.
    Raises SettingsError if the library can't write the files that it unpacks beside itself when it is first used.
    """
    return dict(_distances(kind, source, tuple(targets)))


@functools.cache  # a report asks twice, and the library reads some 200 MB
def _distances(kind: str, source: str, targets: tuple[str, ...]) -> dict[str, float]:
    with _quiet():
        uriel = _load()
        known = set(map(str, uriel.get_phylogeny_languages_array()))
        names = {code: name for code in (source, *targets) if (name := _name_in(known, code)) is not None}
        found = {}
        for code in targets:
            if code == source or source not in names or code not in names:
                continue
            try:
                found[code] = round(float(uriel.new_distance(kind, [names[source], names[code]])), 4)
            except ValueError:  # no feature is known of both
                continue
    return found


def _load() -> Any:
    from urielplus.urielplus import URIELPlus

    try:
        return URIELPlus()
    except OSError as error:
        raise SettingsError(
            f"urielplus can't unpack its data beside itself ({error}); use it once as a user who may write there, or "
            "give --distances a file."
        ) from error


def _name_in(known: set[str], code: str) -> str | None:
    """The ISO 639-3 code by which URIEL knows a language; of a macrolanguage (ar) its usual member (arb)."""
    import langcodes
    from langcodes.data_dicts import NORMALIZED_MACROLANGUAGES

    try:
        language = langcodes.Language.get(code.replace("_", "-"))
        three = language.to_alpha3()
    except (LookupError, langcodes.LanguageTagError):
        return None
    members = [member for member, macro in NORMALIZED_MACROLANGUAGES.items() if macro == language.language]
    if language.language == "no":
        members = ["nob"]
    return next((name for name in (three, *members) if name in known), None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library, which sets up logging for everybody when it is imported, from talking on stderr."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
