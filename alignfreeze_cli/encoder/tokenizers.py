"""Tokenizers, for text that is split into words already or for text as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import processors

from alignfreeze_cli.errors import ArtifactError

_COMPARED = 2000  # words

LONE_PIECE = "▁"
"""SentencePiece's mark of a word's beginning, where it became a subword of its own."""

_COMPLETE = ("tokenizer.json", "vocab.txt", "vocab.json")
"""A folder with one of these has a tokenizer; transformers would otherwise invent one of its special tokens alone."""


_RARE = "\U00010000"  # a letter that hardly any vocabulary has


def load_tokenizer(folder: Path, rows: int | None = None, causal: bool = False) -> Any:
    """The fast tokenizer of a model folder; nothing of the folder is run.

    `rows`: those of the model's embedding matrix, into which all ids must fit. Raises ArtifactError if they don't, for
    a folder without a tokenizer, with one that cannot tell which word a subword belongs to, with no vocabulary beyond
    special tokens, or without a token for padding.

    That of a decoder-only model (`causal`) may lack what an encoder's has. Without a token for padding, the end-of-text
    token pads; if it puts nothing between the two texts of a pair (Qwen, BLOOM), the end-of-text token is put there,
    and is its `sep_token` then.
    """
    from transformers import AutoTokenizer

    sentencepiece = None
    if not any((folder / name).is_file() for name in _COMPLETE):
        sentencepiece = _sentencepiece_model(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        tokenizer(_RARE)  # fails here, not in mid-run, where unknown words have no token
    except Exception as error:  # whatever a damaged file makes of the library, it is the file's fault
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArtifactError(f"has no tokenizer that can be read ({reason})", folder) from error
    if not tokenizer.is_fast:
        raise ArtifactError("has only a slow tokenizer, which cannot say which word a subword belongs to", folder)
    words = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)) or not words:
        raise ArtifactError(
            f"has a tokenizer whose vocabulary is {len(tokenizer)} special tokens, so every word would be unknown; "
            "save the tokenizer that belongs to the model into the folder",
            folder,
        )
    if sentencepiece is not None:
        _check_conversion(tokenizer, sentencepiece)
    if causal and tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise ArtifactError(
            "has a tokenizer without a padding token; name one in tokenizer_config.json (pad_token), for example the "
            "end-of-text token",
            folder,
        )
    if rows is not None and (largest := max(tokenizer.get_vocab().values())) >= rows:
        raise ArtifactError(
            f"has a tokenizer with ids up to {largest:,}, but an embedding matrix of {rows:,} rows; resize the "
            "embeddings, or use the tokenizer that the model was trained with",
            folder,
        )
    if causal:
        _keep_texts_apart(tokenizer)
    return tokenizer


def _keep_texts_apart(tokenizer: Any) -> None:
    """Have the end-of-text token put between the two texts of a pair, if a tokenizer puts no special token at all.

    One without such a token is left alone.
    """
    backend, end = tokenizer.backend_tokenizer, tokenizer.eos_token
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    if end is None or tokenizer("a", "a")["input_ids"] != 2 * bare:
        return
    between = processors.TemplateProcessing(
        single="$A", pair=f"$A {end} $B:1", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    others = [] if backend.post_processor is None else [backend.post_processor]  # such as the one that trims offsets
    backend.post_processor = processors.Sequence([*others, between])
    tokenizer.sep_token = end


def nothing_between(tokenizer: Any) -> bool:
    """Whether a tokenizer that is given two texts puts no token between them, so that they read as one."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    pair, size = tokenizer("a", "a")["input_ids"], 2 * len(bare)
    return any(pair[start : start + size] == 2 * bare for start in range(len(pair) - size + 1))


def encode_words(tokenizer: Any, sentences: Sequence[Sequence[str]], **options: Any) -> list[Any]:
    """Sentences that are split into words, as `tokenizers.Encoding`s whose `word_ids` tell which word a subword is of.

    Every word carries the blank before it, also the first one: the subwords are those of `" " + " ".join(words)`. Byte
    level vocabularies (RoBERTa, Qwen) and some of SentencePiece's (Gemma) mark a word's beginning by that blank, and
    would read "the", "cat" as "thecat"; the others (BERT, XLM-R) take it for what they put there themselves, but for
    those that would put a second one beside it (Llama 2): they get the bare words.
    """
    blank = "" if _doubles_blanks(tokenizer) else " "
    texts = [[f"{blank}{word}" for word in words] for words in sentences]
    encodings: list[Any] = tokenizer(texts, is_split_into_words=True, **options).encodings
    return encodings


def _doubles_blanks(tokenizer: Any) -> bool:
    """Whether words that come one by one are encoded as in a text without the blanks before them, and only so."""
    text: list[int] = tokenizer("a a", add_special_tokens=False)["input_ids"]
    bare, with_blank = (
        tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"] for word in ("a", " a")
    )
    return text[-len(with_blank) :] != with_blank and text[-len(bare) :] == bare


def words_need_blanks(tokenizer: Any) -> bool:
    """Whether the blank that `encode_words` puts before each word makes other subwords than the bare words."""
    bare, with_blank = (
        tokenizer([word, word], is_split_into_words=True, add_special_tokens=False)["input_ids"] for word in ("a", " a")
    )
    return bool(bare != with_blank) and not _doubles_blanks(tokenizer)


def lone_piece_id(tokenizer: Any) -> int:
    """Id of the lone `▁`, or -1 (no id) where the vocabulary has none."""
    found = tokenizer.backend_tokenizer.token_to_id(LONE_PIECE)
    return -1 if found is None else int(found)


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before and after a single text. ArtifactError if it puts them elsewhere."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise ArtifactError(
        f"the tokenizer {type(tokenizer).__name__} changes a text's subwords when it adds special tokens"
    )


def _sentencepiece_model(folder: Path) -> Path:
    """The SentencePiece model that transformers can make a tokenizer of; ArtifactError if there is none, or it can't.

    Without the two packages transformers takes the file for one of tiktoken, and advises to install that.
    """
    found = sorted(folder.glob("*.model"))
    if not found:
        raise ArtifactError(
            f"has no tokenizer ({', '.join(_COMPLETE)}: none of them is there); save the one that belongs to the model "
            "into the folder",
            folder,
        )
    try:
        import google.protobuf  # noqa: F401
        import sentencepiece  # noqa: F401
    except ImportError:
        raise ArtifactError(
            "has its tokenizer only as a SentencePiece model, without tokenizer.json; to convert it, the packages "
            "sentencepiece and protobuf are needed (pip install 'alignfreeze[sentencepiece]')",
            folder,
        ) from None
    return found[0]


def _check_conversion(tokenizer: Any, path: Path) -> None:
    """Whether a tokenizer that transformers made of a SentencePiece model cuts the model's own words as it does."""
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(path))
    pieces = (model.id_to_piece(number) for number in range(model.get_piece_size()))
    words = [piece.removeprefix(LONE_PIECE) for piece in pieces if piece.startswith(LONE_PIECE) and len(piece) > 1]
    words = words[:_COMPARED]
    other = sum(tokenizer.tokenize(word) != model.encode(word, out_type=str) for word in words)
    if other > len(words) // 100:
        raise ArtifactError(
            f"is converted by this version of transformers into a tokenizer that cuts {other} of {len(words)} words "
            "otherwise; get the tokenizer.json that belongs to the model",
            path,
        )
