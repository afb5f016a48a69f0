"""Language codes as the metadata of a card may hold them: ISO 639-1, or three letters (ISO 639-2 and 639-3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LISTED = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee "
    "el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is "
    "it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms "
    "mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si "
    "sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh "
    "yi yo za zh zu"
)
_TWO_LETTERS = frozenset(_LISTED.split())
_PRIVATE = re.compile(r"q[a-t][a-z]")  # qaa to qtz are nobody's


def is_language_code(code: object) -> bool:
    """Whether the Hub takes it as a language; the private codes of made-up languages are none."""
    if not isinstance(code, str):
        return False
    return code in _TWO_LETTERS or bool(re.fullmatch(r"[a-z]{3}", code) and not _PRIVATE.fullmatch(code))


def metadata_codes(codes: Iterable[str]) -> list[str]:
    """The codes that may stand in the metadata, `zh-CN` as `zh`, each once; the others are named in the text only."""
    bare = (re.split(r"[-_]", code.lower())[0] for code in codes)
    return list(dict.fromkeys(code for code in bare if is_language_code(code)))
