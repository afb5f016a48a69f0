"""Measuring is its own program: how fast our steps are beside straightforward implementations of the same thing.

    python -m benchmarks              all of it, on made-up text and a random encoder of MiniLM's shape
    python -m benchmarks realign --model DIR --corpus 'en-{target}.tsv' --targets de,fr --dictionary 'en-{target}.txt'

`plain/` holds the straightforward implementations; README.md says what each benchmark measures and what came out.
"""
