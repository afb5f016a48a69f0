"""Language codes of different standards for one language: `zh`, `zho`, `cmn`, `zh_CN`; `he` and `iw`."""

from __future__ import annotations

from collections.abc import Iterable

from alignfreeze_cli.errors import DataError


def find_code(codes: Iterable[str], wanted: str, place: str) -> str | None:
    """Which of the codes means the language `wanted`: that code itself, or else another one of that language.

    `zh_CN` is found for `zh`, but not for `zh_TW`. None if there is none; DataError if several might be meant.
    """
    codes = list(codes)
    if wanted in codes:
        return wanted
    known = _standard(wanted)
    if known is None:
        return None
    standard = {code: found for code in codes if (found := _standard(code)) is not None}
    near = [code for code, found in standard.items() if found == known]
    if not near:  # the language without a script or region, or with one
        near = [
            code for code, found in standard.items() if found.startswith(f"{known}-") or known.startswith(f"{found}-")
        ]
    if len(near) > 1:
        raise DataError(f"holds {' and '.join(near)}, which are both {wanted}; name one of them", place)
    return near[0] if near else None


def _standard(code: str) -> str | None:
    """A code in the form that the standard (BCP 47) prefers, as `zh-CN` for `cmn_CN`; None for what is no code."""
    import langcodes

    try:
        return langcodes.standardize_tag(code.replace("_", "-"), macro=True)
    except langcodes.LanguageTagError:
        return None
