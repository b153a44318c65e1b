# Everything starts from nothing: each target sets up what it needs first (see .ci/setup.sh).
#   make demo    the example project: what passes, and what the reports of its known-bad twins look like
#   make test    all tests;  make test TESTS="tests/unit -k sizes" runs some of them
#   make lint    ruff, mypy, gofmt
#   make bench   what a watched run costs, and more
#   make vendor  what the analyzer imports of golang.org/x/tools, fetched anew

BIN := $(CURDIR)/.venv/bin
TESTS ?=

# go may live there, when the machine had none.
export PATH := $(BIN):$(PATH)

.PHONY: demo test lint bench vendor setup clean

demo: setup
	@$(BIN)/python .ci/demo.py

test: setup
	$(BIN)/pytest -n auto --dist worksteal $(TESTS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@formatted=$$("$$(go env GOROOT)/bin/gofmt" -d example_project tests/programs pytest_cgosafe/crossings/analyzer) && \
		test -z "$$formatted" || { echo "$$formatted"; exit 1; }

bench: setup
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; done

vendor: setup
	@sh .ci/vendor.sh

setup:
	@sh .ci/setup.sh

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dist
