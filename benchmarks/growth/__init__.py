"""How time and memory grow: with lines, sentences, languages, length, vocabulary and blocks.

Every point is a whole process on made-up data. Beside the points stands what theory says; where the two part, something
is not as it should be.
"""

from benchmarks.growth.run import run

__all__ = ["run"]
