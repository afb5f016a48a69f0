"""Text, dictionaries, a treebank and encoders made from a seed, for those who have no data at hand.

Words are strings of syllables, drawn with the frequencies of a natural text (Zipf); sentences are as long as those of
Tatoeba and NTREX together: half of them about 8 words, half about 20. They mean nothing, but give a computer as much to
do as real ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

LEXICON = 12_000  # words of each language
VOCABULARY = 20_000  # subwords at most
TAGS = ("NOUN", "PUNCT", "ADP", "NUM", "ADJ", "DET", "PROPN", "PRON", "ADV", "VERB", "AUX")

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64},
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "xlm-r-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
ROWS = {"tiny": 0, "minilm": 30_522, "xlm-r-base": 250_002}  # of the embeddings; 0: as many as there are subwords


def write_corpus(folder: Path, targets: Iterable[str], lines: int, seed: int) -> tuple[str, str]:
    """Write `en-<target>.tsv` and `dictionary-en-<target>.txt`, both directions; gives the patterns of both."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    english = _lexicon(random)
    for target in targets:
        foreign = _lexicon(random)
        with (folder / f"en-{target}.tsv").open("w", encoding="utf-8", newline="\n") as file:
            for words in _sentences(random, lines):
                # Four words in five are translated, and neighbours change places now and then.
                other = words[np.argsort(np.arange(len(words)) + random.uniform(0, 2, len(words)))]
                other = np.where(random.random(len(other)) < 0.8, other, random.integers(0, LEXICON, len(other)))
                file.write(f"{_text(english, words)}\t{_text(foreign, other)}\n")
        known = np.flatnonzero(random.random(LEXICON) < 0.4)
        entries = [(english[n], foreign[n]) for n in known]
        # A second meaning for some words, so that there are ambiguous ones.
        entries += [(english[n], foreign[m]) for n, m in zip(known[::5], known[5::5], strict=False)]
        for name, columns in ((f"en-{target}", (0, 1)), (f"{target}-en", (1, 0))):
            text = "".join(f"{entry[columns[0]]} {entry[columns[1]]}\n" for entry in sorted(entries))
            (folder / f"dictionary-{name}.txt").write_text(text, encoding="utf-8")
    return str(folder / "en-{target}.tsv"), str(folder / "dictionary-en-{target}.txt")


def write_treebank(path: Path, sentences: int, seed: int) -> None:
    """Write a CoNLL-U file with random tags."""
    random = np.random.default_rng(seed)
    lexicon = _lexicon(random)
    _write_conllu(path, ([lexicon[word] for word in words] for words in _sentences(random, sentences)), random)


def _write_conllu(path: Path, sentences: Iterable[list[str]], random: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for words in sentences:
            for number, word in enumerate(words, 1):
                tag = TAGS[random.integers(len(TAGS))]
                file.write(f"{number}\t{word}\t_\t{tag}\t_\t_\t{number - 1}\tdep\t_\t_\n")
            file.write("\n")


def write_even_corpus(folder: Path, tokenizer: Any, length: int, lines: int, seed: int) -> tuple[str, str]:
    """Like `write_corpus` for the language aa, but every sentence has `length` subwords, special ones included.

    No word comes twice in a sentence, and all are in the dictionary, so that long sentences have links too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    sides = [_lexicon(random), _lexicon(random)]
    with (folder / "en-aa.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for texts in zip(*(_even_sentences(side, tokenizer, length, lines, seed) for side in sides), strict=True):
            file.write("\t".join(map(" ".join, texts)) + "\n")
    for name, columns in (("en-aa", sides), ("aa-en", sides[::-1])):
        text = "".join(f"{a} {b}\n" for a, b in zip(*columns, strict=True))
        (folder / f"dictionary-{name}.txt").write_text(text, encoding="utf-8")
    return str(folder / "en-{target}.tsv"), str(folder / "dictionary-en-{target}.txt")


def write_even_treebank(path: Path, tokenizer: Any, length: int, sentences: int, seed: int) -> None:
    """Like `write_treebank`, but every sentence has `length` subwords, special ones included."""
    random = np.random.default_rng(seed)
    _write_conllu(path, _even_sentences(_lexicon(random), tokenizer, length, sentences, seed), random)


def _even_sentences(lexicon: list[str], tokenizer: Any, length: int, count: int, seed: int) -> Iterable[list[str]]:
    """Sentences of different words, drawn in an order that is the same for all lexicons."""
    random = np.random.default_rng(seed)
    pieces = [len(ids) for ids in tokenizer(lexicon, add_special_tokens=False)["input_ids"]]
    for _ in range(count):
        budget, words = length - tokenizer.num_special_tokens_to_add(), []
        for number in random.permutation(len(lexicon)):
            if pieces[number] <= budget:
                words.append(lexicon[number])
                budget -= pieces[number]
            if not budget:
                break
        yield words


def write_encoder(folder: Path, shape: str, text: Iterable[str], seed: int) -> None:
    """Write an encoder of one of the `SHAPES` with random weights, and a tokenizer trained on `text`."""
    import torch
    from transformers import AutoModel, BertConfig, XLMRobertaConfig

    tokenizer = _tokenizer(text, "roberta" if shape == "xlm-r-base" else "bert")
    sizes: dict[str, Any] = {**SHAPES[shape], "vocab_size": ROWS[shape] or len(tokenizer)}
    if shape == "xlm-r-base":
        config: Any = XLMRobertaConfig(**sizes, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
    else:
        config = BertConfig(**sizes)
    torch.manual_seed(seed)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def vary_encoder(encoder: Path, folder: Path, **sizes: int) -> None:
    """Write an encoder with other sizes (`num_hidden_layers=2`), random weights and the same tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    config = AutoConfig.from_pretrained(encoder)
    config.update(sizes)
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)


def _tokenizer(text: Iterable[str], family: str) -> Any:
    """A WordPiece tokenizer; padding has the id that models of the family expect."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    begin, end, padding, unknown = ("<s>", "</s>", "<pad>", "<unk>")
    if family == "bert":
        begin, end, padding, unknown = ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
    special = [begin, padding, end, unknown] if family == "roberta" else [padding, unknown, begin, end]
    tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (begin, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A {end}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=padding, unk_token=unknown, cls_token=begin, sep_token=end
    )


def _lexicon(random: np.random.Generator) -> list[str]:
    """`LEXICON` different words, the frequent ones short."""
    syllables = [a + b + c for a in "bcdfghklmnprstvz" for b in "aeiou" for c in ("", "n", "r", "s")]
    words: dict[str, None] = {}
    while len(words) < LEXICON:
        count = 1 + int(random.integers(0, 2 + min(2, len(words) // 500)))
        words["".join(syllables[k] for k in random.integers(0, len(syllables), count))] = None
    return list(words)


def _sentences(random: np.random.Generator, count: int) -> Iterable[np.ndarray]:
    """Sentences as numbers of words in the lexicon."""
    chances = 1 / np.arange(2, LEXICON + 2)
    edges = np.cumsum(chances / chances.sum())
    for median in np.where(random.random(count) < 0.5, 8.0, 20.0):
        length = int(np.clip(random.lognormal(np.log(median), 0.45), 2, 70))
        yield np.minimum(np.searchsorted(edges, random.random(length)), LEXICON - 1)


def _text(lexicon: list[str], words: np.ndarray) -> str:
    return " ".join(lexicon[word] for word in words)
