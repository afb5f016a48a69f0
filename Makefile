# make demo and make test need nothing but Python 3.11+ with venv: they set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test check clean bench dist lowest other-pythons

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  'make: $(PYTHON) is not Python 3.11 or newer with venv; name one: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install  ## the whole pipeline on a small made-up world, no network
	$(BIN)/alignfreeze demo --output demo

test: install
	$(BIN)/pytest -q -n 2 --dist loadfile

check: install  ## style, types, and that imports run downwards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: install  ## ratios against straightforward implementations, measured in one run
	$(BIN)/python -m benchmarks

dist: install  ## sdist and wheel in dist/, tried in an environment of their own; a release names its PROJECT_URL
	rm -rf dist
	$(BIN)/python -m hatchling build -t sdist -d dist
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv --clear --without-pip build/clean
	$(BIN)/pip --python build/clean/bin/python install --quiet --no-compile --constraint constraints.txt dist/*.whl
	$(BIN)/pip --python build/clean/bin/python check
	rm -rf build/demo
	cd build && clean/bin/alignfreeze --version && clean/bin/alignfreeze demo $(SMALL)

# A demo that shows that all is there, in seconds.
SMALL := --jobs 1 --seeds 0 --set world.languages=1 --set world.sentences=100 --set world.pairs=50 --set world.train=50 \
  --set world.test=10 --set world.steps=10 --set realign.steps=2 --set finetune.steps=2

lowest: LOWEST := .venv-lowest
lowest:  ## a telling part of the tests with the lowest versions that pyproject.toml allows
	test -e $(LOWEST)/constraints.txt || $(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --use-pep517 --constraint $(LOWEST)/constraints.txt \
	  --editable '.[segmenters,sentencepiece,aligners,filters,distances]' \
	  pytest pytest-timeout pytest-xdist hypothesis nervaluate markdown-it-py jsonschema
	$(LOWEST)/bin/python -m pytest -q -n 2 --dist loadfile -m 'not slow' -W ignore::DeprecationWarning \
	  tests/artifacts tests/encoder tests/pairs tests/report tests/steps tests/tasks/test_evaluation.py \
	  tests/tasks/test_ner.py tests/training $(NO_HUB)

# Older huggingface-hub knows a host by its name alone, so it takes the tests' storage, another port, for the Hub itself.
NO_HUB := --ignore tests/pairs/test_hub_corpora.py

other-pythons:  ## a quick part of the tests with the other Pythons that are on this machine
	bash .ci/other-pythons

clean:
	rm -rf .venv .venv-lowest demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
