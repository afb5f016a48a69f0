"""A page on which one types a sentence and sees what realignment changed: tags side by side, neighbours by block.

Which models it shows is set by environment variables; README.md says which.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import gradio as gr
from model import Bank, Tagger, words_of

HERE = Path(__file__).parent
MOST_WORDS = 40
DEMO = Path(os.environ.get("DEMO", "demo"))
DEMO_MODELS = {name: str(DEMO / "runs" / f"small-{name}-s0" / "pos") for name in ("baseline", "full", "front")}
DEMO_LANGUAGES = ("qbe", "qek", "qis")
COLOURS = 17  # universal tags

STYLE = """
.words {overflow-x: auto} .words table {border-collapse: collapse} .words th, .words td {padding: 4px 8px}
.words td, .words thead th {text-align: center; white-space: nowrap}
.words tbody th {position: sticky; left: 0; text-align: left; background: var(--background-fill-primary)}
.words td {color: #111} .words td small {opacity: .65} .words .differ {outline: 2px solid #c33; outline-offset: -2px}
"""


def models() -> dict[str, str]:
    """Name → folder or repository, from `MODELS` (`baseline=org/a, front=org/b@v1`), otherwise those of the demo."""
    given = [part.partition("=") for part in os.environ.get("MODELS", "").split(",") if part.strip()]
    if any(not equals for _, equals, _ in given):
        raise SystemExit("MODELS must be like baseline=org/a,front=org/b")
    return {name.strip(): place.strip() for name, _, place in given} or DEMO_MODELS


def lines(variable: str, name: str, of_demo: list[Path], most: int, column: int = 0) -> list[str]:
    """The first lines of the file that a variable names, otherwise of the file beside this one, or of the demo's."""
    if variable in os.environ:
        paths = [Path(os.environ[variable])]
    else:
        paths = [HERE / name] if "MODELS" in os.environ else of_demo
    found = []
    for path in paths:
        text = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found += [line.split("\t")[min(column, line.count("\t"))] for line in text[: most // len(paths)]]
    return found


def table(header: list[str], rows: dict[str, list[str]]) -> str:
    """HTML: `rows` maps the first cell of each line to its other cells, which are HTML already."""
    top = "".join(f'<th dir="auto">{escape(word)}</th>' for word in header)
    body = "".join(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>" for name, cells in rows.items())
    return f'<div class="words"><table><thead><tr><th></th>{top}</tr></thead><tbody>{body}</tbody></table></div>'


class Page:
    """The models, and what they make of a sentence."""

    def __init__(self) -> None:
        self.taggers = [Tagger.load(name, place) for name, place in models().items()]
        texts = lines("BANK", "bank.txt", [DEMO / "world" / "text" / "qav.txt"], 300)
        self.bank = Bank(self.taggers, texts)
        parallel = [DEMO / "world" / "parallel" / f"qav-{code}.tsv" for code in DEMO_LANGUAGES]
        self.examples = lines("EXAMPLES", "examples.txt", parallel, 12, column=1)
        labels = {label for tagger in self.taggers for label in tagger.model.config.id2label.values()}
        self.numbers = {label: number for number, label in enumerate(sorted(labels))}

    def show(self, sentence: str) -> list[str]:
        """The table of tags, then one of neighbours for each model."""
        words = words_of(sentence)[:MOST_WORDS]
        if not words:
            return ["" for _ in range(1 + len(self.taggers))]
        read = {tagger.name: tagger.read(words) for tagger in self.taggers}
        tags = {name: found for name, (found, _) in read.items()}
        differ = [len({found[n] for found in tags.values()}) > 1 for n in range(len(words))]
        shown = {name: [self._tag(*each) for each in zip(found, differ, strict=True)] for name, found in tags.items()}
        return [table(words, shown), *(self._neighbours(name, words, vectors) for name, (_, vectors) in read.items())]

    def _tag(self, tag: str | None, differs: bool) -> str:
        if tag is None:
            return "<td>–</td>"
        hue = 360 * self.numbers[tag] // COLOURS
        kind = ' class="differ"' if differs else ""
        return f'<td{kind} style="background: hsl({hue} 70% 82%)">{escape(tag)}</td>'

    def _neighbours(self, name: str, words: list[str], vectors: object) -> str:
        rows = {}
        for layer, found in enumerate(self.bank.nearest(name, vectors)):
            cells = [
                f'<td dir="auto" style="background: hsl(205 60% {98 - 34 * max(cosine, 0):.0f}%)">'
                f"{escape(word)} <small>{cosine:.2f}</small></td>"
                for word, cosine in found
            ]
            rows[f"block {layer - 1}" if layer else "embeddings"] = cells
        return table(words, rows)


def build(page: Page) -> gr.Blocks:
    with gr.Blocks(title="Realigned, frozen or not") as blocks:
        gr.Markdown(
            "# Realigned, frozen or not\nTaggers that were fine-tuned in one language only. Type a sentence in another "
            "one: where the models disagree, the tag has a red frame. Below, for every word and block, the word of the "
            f"fine-tuning language whose vector is nearest (cosine; among {len(page.bank.words)} words). "
            "[AlignFreeze](https://arxiv.org/abs/2502.12959)"
        )
        sentence = gr.Textbox(label="Sentence", value=page.examples[0], rtl=False)
        button = gr.Button("Show", variant="primary")
        gr.Examples(page.examples, sentence, label="Examples")
        gr.Markdown("### Tags")
        outputs = [gr.HTML()]
        gr.Markdown("### Nearest words, block by block")
        for tagger in page.taggers:
            with gr.Tab(tagger.name):
                outputs.append(gr.HTML())
        for event in (button.click, sentence.submit, blocks.load):
            event(page.show, sentence, outputs)
    return blocks


if __name__ == "__main__":
    build(Page()).launch(css=STYLE)
