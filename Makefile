# Needs: cargo, python3 (3.11 or later), make, gcc, git. Everything else goes into .venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
# Absolute: cargo and the tests run in other directories.
VENV_PYTHON := $(CURDIR)/$(VENV)/bin/python

# The interpreter that .venv is made from: $(PYTHON) if given, else the first of these that is new enough.
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)

# Asked for its own path: `python3` may be a script that looks for the real one at every start.
WHERE := import sys; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)

CRATE_FILES := Cargo.toml Cargo.lock $(shell find crates -name '*.rs' -path '*/src/*' -o -name Cargo.toml -o -name build.rs)

# A comma within an argument of a call.
, := ,

# Two halves side by side for two cores; the first one's output is shown when it has ended.
define side_by_side
	@mkdir -p build; \
	$(VENV_PYTHON) -m pytest --shard=1/2 $(1) >build/first.txt 2>&1 & first=$$!; \
	$(VENV_PYTHON) -m pytest --shard=2/2 $(1); second=$$?; \
	wait $$first; first=$$?; cat build/first.txt; \
	exit $$((first | second))
endef

.PHONY: help venv example test test-all deaths random conformance failures ids pytest-own soak soundness fuzz bench suites overhead docs clean

help:
	@echo "make venv         make .venv and install the project into it, editable"
	@echo "make example      run the example's tests with dx-py"
	@echo "make test         what has to pass before a commit: of the cases one quarter, the others with the next three commits (TURN=N chooses)"
	@echo "make test-all     the behaviour cases in all modes, and all of the edits, arguments and hazards (two hours)"
	@echo "make deaths       the whole matrix of causes, places and modes of death"
	@echo "make conformance  real projects under dx-py and under pytest (downloads them)"
	@echo "make failures     the same projects with assertions broken on purpose: what is printed about them"
	@echo "make ids          what dx-py list says of real projects, before a run and after one"
	@echo "make pytest-own   pytest's own suite under dx-py, and with dx-py inside its tests"
	@echo "make overhead     what a test costs that does nothing, beside unittest and pytest"
	@echo "make soak         many runs with edits, kills and interrupts in between"
	@echo "make soundness    --affected after every kind of edit, and after mutations of real projects, beside a full pytest"
	@echo "make random       random suites under dx-py and under pytest"
	@echo "make fuzz         ten minutes each of texts and index files that nobody wrote"
	@echo "make bench        how long warm and cold runs of real projects take"
	@echo "make suites       how long whole runs of generated suites take, beside other runners"
	@echo "make docs         the pages that are made from code"
	@echo "make clean        remove what was built"

venv: $(VENV)/installed

$(VENV)/bin/python:
	@for candidate in $(CANDIDATES); do \
		if python=$$("$$candidate" -c '$(WHERE)' 2>/dev/null); then \
			echo "making $(VENV) from $$python"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "make venv: none of these is a Python of at least 3.11: $(CANDIDATES)." \
		"Install one, or name one: make venv PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/installed: pyproject.toml $(CRATE_FILES) | $(VENV)/bin/python
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

# Without the plugins that the project's own tests need: the example makes errors of all warnings, theirs included.
example: venv
	cd examples/shop && PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(CURDIR)/$(VENV)/bin/dx-py test

ONE_OF := cold|warm|parallel|warm-parallel|lean|workers|default

# One commit has a quarter of the cases, and each of the next three another.
TURN := $(shell git rev-list --count HEAD 2>/dev/null || echo 0)

# A quarter of the cases of spec/ in one mode, and a part of the longest matrices, for there to be time; everything by `make test-all`.
# One interpreter for every build of the extension: with another one cargo would start from the beginning.
test: export PYO3_PYTHON = $(VENV_PYTHON)
test: venv
	$(VENV)/bin/ruff check --no-cache
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --locked --workspace; \
	else \
		set -x; cargo test --locked --workspace; \
	fi
	$(call side_by_side,tests '--modes=$(ONE_OF)' --turn=$(TURN))

test-all: export DX_PY_ALL_WAYS = 1
test-all: venv
	$(call side_by_side,tests)

# Every cause of death at every place in every way of running.
deaths: venv
	DX_PY_ALL_DEATHS=1 $(VENV_PYTHON) -m pytest tests/processes/test_deaths.py tests/processes/test_strays.py

# Each takes options of its own: make soak ARGS='--help'
conformance: venv
	$(VENV_PYTHON) tests/conformance/run.py $(ARGS)

failures: venv
	$(VENV_PYTHON) tests/conformance/failures.py $(ARGS)

# What dx-py list says of them, before a run and after one: docs/ids.md.
ids: venv
	$(VENV_PYTHON) tests/conformance/ids.py --page $(ARGS)

pytest-own: venv
	$(VENV_PYTHON) tests/conformance/pytest_own.py --page $(ARGS)

soak: venv
	$(VENV_PYTHON) tests/processes/soak.py $(ARGS)

# Part a: every kind of edit. Part b: mutations of the corpus' projects, as many as MUTATIONS says.
soundness: venv
	DX_PY_ALL_WAYS=1 $(VENV_PYTHON) -m pytest tests/processes/test_affected.py tests/processes/test_history.py tests/processes/test_staleness.py
	$(VENV_PYTHON) tests/conformance/replay.py --mutations $${MUTATIONS:-60} $(ARGS)

bench: venv
	$(VENV_PYTHON) benches/warm.py $(ARGS)

# Generated suites beside other runners: make suites ARGS='--rivals xdist,rtest'
suites: venv
	$(VENV_PYTHON) benches/suites.py $(ARGS)

overhead: venv
	$(VENV_PYTHON) benches/overhead.py $(ARGS)

# Files that nobody wrote, for so many seconds each: make fuzz SECONDS_EACH=60
SECONDS_EACH ?= 600
fuzz:
	DX_PY_FUZZ_SECONDS=$(SECONDS_EACH) cargo test --release --locked -p dx-py-index --test fuzz -- --nocapture --test-threads=1

# As many random suites as DX_PY_RANDOM_SUITES says.
random: venv
	DX_PY_RANDOM_SUITES=$${DX_PY_RANDOM_SUITES:-500} $(VENV_PYTHON) -m pytest tests/lean/test_random_suites.py

docs: venv
	$(VENV_PYTHON) -m dx_py_test_runner.engine.lean.guards >docs/guards.md

clean:
	rm -rf $(VENV) target build dist python/*.egg-info
	find python -name '*.so' -delete
