"""`python -m benchmarks [NAME …]`: run benchmarks and print what came out."""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from pathlib import Path

BENCH = ("align", "encode", "realign", "contrastive", "finetune", "evaluate", "profile", "memory")
NAMES = (*BENCH, "growth", "projection", "aligners", "predict", "estimates")  # the last ones only where they are named


def main() -> None:
    """Read the command line and run what it names, one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Ratios of our implementations to straightforward ones, measured in one run. Without data of your "
        "own it runs on made-up text and a random encoder.",
        epilog="example: python -m benchmarks realign profile --model MiniLM --targets de,fr "
        "--corpus 'tatoeba/en-{target}.tsv' 'ntrex/en-{target}.tsv' --dictionary 'muse/{source}-{target}.txt'",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: {', '.join(BENCH)})")
    data = parser.add_argument_group("what to run on")
    data.add_argument("--model", type=Path, help="folder of an encoder")
    data.add_argument("--shape", default="minilm", help="of the random encoder otherwise: tiny, minilm, xlm-r-base")
    data.add_argument("--task-model", type=Path, help="folder of a tagger, for evaluate (default: one is trained)")
    data.add_argument("--corpus", nargs="+", default=[], help="TSV files with {target} in their names")
    data.add_argument("--dictionary", help="MUSE's format, with {source}-{target} or en-{target} in the name")
    data.add_argument(
        "--targets", default="aa,bb,cc,dd", help="languages, comma separated (default: four made-up ones)"
    )
    data.add_argument("--treebank", nargs="+", type=Path, default=[], help="CoNLL-U files to score")
    data.add_argument("--train-treebank", type=Path, help="CoNLL-U file to learn from, for finetune")
    data.add_argument("--gold", type=Path, help="aligners: folder of gold alignments (see benchmarks/aligners.py)")
    data.add_argument("--parallel", type=Path, help="aligners: folder of folders with TSV files such as en-de.tsv")
    data.add_argument("--encoder", type=Path, help="aligners: folder of a multilingual encoder")
    how = parser.add_argument_group("how")
    how.add_argument("--aligners", default="", metavar="REGEX", help="only aligners whose names match (default: all)")
    how.add_argument("--freeze", default="front", help="freeze plan")
    how.add_argument("--batch-size", type=int, default=16)
    how.add_argument("--steps", type=int, default=20, help="realign steps")
    how.add_argument("--finetune-steps", type=int, default=10, help="steps of 32 sentences")
    how.add_argument("--rounds", type=int, default=3, help="repetitions, in turn")
    how.add_argument("--lines", type=int, default=100_000, help="lines to align; the corpora are repeated up to it")
    how.add_argument("--vocabulary", default="active", choices=("active", "full"))
    how.add_argument("--precision", default="fp32,bf16", help="fp32, bf16, or both (default)")
    how.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    how.add_argument("--eager", action="store_true", help="realign, memory, profile: no CUDA graphs")
    how.add_argument("--threads", type=int, default=0, help="of torch (default: as torch chooses)")
    how.add_argument("--peak-tflops", type=float, help="also state the share of this peak that realign reaches")
    how.add_argument(
        "--peers", default="", metavar="REGEX", help="only peers whose names match, . for all (default: the usual ones)"
    )
    how.add_argument("--growth", default="", metavar="SIZES", help="growth: only over these sizes, comma separated")
    how.add_argument("--most-lines", type=int, default=1_000_000, help="growth: of align-pairs")
    how.add_argument("--most-sentences", type=int, default=100_000, help="growth: of evaluate")
    how.add_argument("--images", type=Path, help="growth: folder for the plots")
    how.add_argument("--top", type=int, default=0, help="profile: also list so many operators")
    how.add_argument("--seed", type=int, default=31)
    given = vars(parser.parse_args())
    names, threads = given.pop("names") or BENCH, given.pop("threads")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes that some benchmarks start, and for torch here
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler would tell when it starts and stops

    from transformers.utils import logging

    from benchmarks.inputs import Inputs, Options
    from benchmarks.machine import machine
    from benchmarks.table import Report, Row, comparison

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it reports the random head of the tagger as missing weights
    given["precisions"] = tuple(given.pop("precision").split(","))
    given["growth"] = tuple(name for name in given["growth"].split(",") if name)
    given["targets"] = tuple(given["targets"].split(","))
    given["corpus"], given["treebank"] = tuple(given["corpus"]), tuple(given["treebank"])
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        os.environ["ALIGNFREEZE_CACHE"] = f"{folder}/cache"
        inputs = Inputs(Options(**given), Path(folder))
        print(f"{machine()}\n", flush=True)
        rows: list[Row] = []
        for name in names:
            report: Report = importlib.import_module(f"benchmarks.{name}").run(inputs)
            print(f"## {name}\n\n{report.markdown()}\n", flush=True)
            rows += report.rows
        if rows and len(names) > 1:
            print(f"## All in one table\n\n{comparison(rows)}")


if __name__ == "__main__":
    main()
