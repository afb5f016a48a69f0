# make demo and make test need nothing but Python 3.11+ with venv: they set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test check clean bench

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install  ## the whole pipeline on a small made-up world, no network
	$(BIN)/alignfreeze demo --output demo

test: install
	$(BIN)/pytest -q -n 2 --dist loadgroup

check: install  ## style, types, and that imports run downwards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: install  ## ratios against straightforward implementations, measured in one run
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
