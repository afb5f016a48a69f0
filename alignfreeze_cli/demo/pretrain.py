"""Pre-training the world's encoder: a tiny BERT that learns to fill in masked words, from scratch, in about a minute.

Its WordPiece vocabulary is not learned but given: every stem, every ending, and single letters so that no word is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from alignfreeze_cli.demo.languages import Language
from alignfreeze_cli.demo.meanings import UPOS
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    import torch
    from transformers import BertModel, BertTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 96
WIDTH = 64
MASKED = 0.3
"""Share of masked pieces: twice BERT's, so that a step teaches more."""


def wordpieces(languages: Sequence[Language]) -> list[str]:
    """The vocabulary: special pieces, stems and letters that begin words, endings and letters that continue them."""
    words = {word for language in languages for word in language.words.values()}
    for language in languages:
        if language.contracts:
            adpositions = [language.words[c] for c, upos in UPOS.items() if upos == "ADP"]
            words |= {adposition + language.words["the"] for adposition in adpositions}
    endings = {ending for language in languages for ending in language.endings.values()}
    letters = {letter for word in words | endings for letter in word}
    inside = {f"##{piece}" for piece in letters | endings if piece.isalpha()}
    return [*SPECIAL, *sorted(words | letters), *sorted(inside)]


def make_tokenizer(languages: Sequence[Language]) -> BertTokenizer:
    from transformers import BertTokenizer

    pieces = {piece: number for number, piece in enumerate(wordpieces(languages))}
    return BertTokenizer(vocab=pieces, do_lower_case=False, strip_accents=False, model_max_length=POSITIONS)


def pretrain(
    tokenizer: BertTokenizer, texts: Sequence[str], settings: DemoWorldSettings, console: Console
) -> tuple[BertModel, list[float]]:
    """Train a BERT of 4 blocks of width 64 on `texts`; gives the encoder, without its head, and the loss of every step.

    The learning rate rises for the first tenth of the steps, then falls to 0. The number of threads is a setting and
    not left to the machine, because another number of threads rounds sums differently.
    """
    import torch
    from torch.nn import functional as F
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH,
        hidden_act="relu",  # as good here as gelu, and a seventh faster
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    losses = []
    steps = settings.steps
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(settings.threads)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(settings.seed)
        progress = stack.enter_context(console.progress("pre-training", steps, "steps"))
        encoder = BertModel(config)
        head = torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.LayerNorm(WIDTH))
        bias = torch.nn.Parameter(torch.zeros(len(tokenizer)))
        trained = [*encoder.parameters(), *head.parameters(), bias]
        optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.01, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps))
        )
        encoder.train()
        for ids in _batches(tokenizer, texts, steps, settings.batch_size):
            masked, chosen = _mask(ids, tokenizer)
            hidden = encoder(masked, attention_mask=ids != tokenizer.pad_token_id).last_hidden_state
            # Scores for masked pieces only: (chosen, vocabulary). As in BERT, output weights are the input embeddings.
            scores = F.linear(head(hidden[chosen]), encoder.embeddings.word_embeddings.weight, bias)
            loss = F.cross_entropy(scores, ids[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.advance(1, f"loss {losses[-1]:.2f}")
    return encoder.eval(), losses


def _batches(tokenizer: BertTokenizer, texts: Sequence[str], steps: int, batch: int) -> Iterator[torch.Tensor]:
    """Random sentences of about the same length, (batch, positions), padded; fewer if there are not as many texts."""
    import torch

    sentences = [torch.tensor(ids) for ids in tokenizer(list(texts))["input_ids"]]
    batch = min(batch, len(sentences))
    order: list[list[int]] = []
    for _ in range(steps):
        if not order:
            # Many batches' worth is drawn at once and sorted by length, so that little is padding.
            shuffled = torch.randperm(len(sentences)).tolist()
            shuffled.sort(key=lambda i: len(sentences[i]))
            order = [shuffled[i : i + batch] for i in range(0, len(shuffled) - batch + 1, batch)]
            order = [order[i] for i in torch.randperm(len(order)).tolist()]
        yield torch.nn.utils.rnn.pad_sequence(
            [sentences[i] for i in order.pop()], batch_first=True, padding_value=tokenizer.pad_token_id
        )


def _mask(ids: torch.Tensor, tokenizer: BertTokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask pieces as BERT does: of those chosen 80 % become [MASK], 10 % a random piece, 10 % stay.

    Gives the ids with pieces masked, and which were chosen, both (batch, positions).
    """
    import torch

    chosen = (torch.rand(ids.shape) < MASKED) & (ids >= len(SPECIAL))
    fate = torch.rand(ids.shape)
    masked = torch.where(chosen & (fate < 0.8), tokenizer.mask_token_id, ids)
    random_ids = torch.randint(len(SPECIAL), len(tokenizer), ids.shape)
    return torch.where(chosen & (fate >= 0.8) & (fate < 0.9), random_ids, masked), chosen
