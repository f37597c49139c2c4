# The commands of the project; `make` lists them. Each is complete on its own: it makes .venv, installs what is missing
# (with apt when root, else it prints the line) and builds the native library when nothing is built.

PYTHON ?= python3
PY := .venv/bin/python
BUILT := py_mini_racer/native.json
SOURCES := $(wildcard src/v8_py_frontend/*)
# Which V8: the one asked for, else the one that is built here already, else the system's.
HERE := $(shell sed -n 's/.*"provider": *"\([a-z]*\)".*/\1/p' $(BUILT) 2>/dev/null)
V8 ?= $(or $(HERE),system)
STAMP := .venv/.ready-
# The helper of that V8; root lets it install the compilers that it misses.
PROVIDER = $(PY) helpers/$(if $(filter source,$(V8)),v8_build,v8_system).py $(if $(filter 0,$(shell id -u)),--install)

# Tests for `make test-modes`.
THREADED := smoke threads timers promises async limits_basic limits_nesting lifecycle exit stats
LANED := smoke eval execute_call functions objects iterators buffers exceptions copy to_js host_functions interrupt greenlet promises threads wire

ifeq ($(filter system source,$(V8)),)
$(error V8=$(V8) is no V8 that can be built here: it is system or source)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo test test-c test-py test-modes test-pythons hostile stress abi check format wheel sdist docs docs-serve bench clean

help: ## list the commands
	@echo "mini-racer: V8 inside Python. usage: make COMMAND"; echo
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo; echo "  V8=system     Debian's V8 of 2022, in minutes   V8=source  current V8, from source (docs/building.md)"
	@echo "  PYTHON=...    the Python that .venv is made with   ARGS=...   more arguments for pytest"

build: $(STAMP)build ## build the native library [V8=system|source]
	$(PROVIDER)
	@touch $(BUILT)

demo: $(STAMP)demo $(BUILT) ## real JavaScript libraries at work inside MiniRacer
	$(PY) examples/demo.py

test: test-c test-py ## every test: C, Python, the README's examples, the three copies of the ABI

test-c: $(STAMP)test $(BUILT) ## C tests: the core on a fake bridge under sanitizers, the real library from C
	$(PY) tests/native/run.py

test-py: $(STAMP)test $(BUILT) ## Python tests [ARGS="-k timeout"]
	$(PY) -m pytest -n 2 $(ARGS)

test-modes: $(STAMP)test $(BUILT) ## what threads and lanes matter to: V8 without threads of its own, and the ctypes lane
	MINI_RACER_V8_FLAGS=--single-threaded $(PY) -m pytest -n 2 $(THREADED:%=tests/test_%.py) $(ARGS)
	MINI_RACER_LANE=ctypes $(PY) -m pytest -n 2 $(LANED:%=tests/test_%.py) $(ARGS)

test-pythons: $(STAMP)test $(BUILT) ## the Python tests on every Python from 3.10 that this machine has
	$(PY) helpers/pythons.py $(ARGS)

hostile: $(STAMP)test $(BUILT) ## hostile scripts, each in a process of its own; writes build/hostile.md
	$(PY) -m tests.hostile.run --table build/hostile.md

stress: $(STAMP)test $(BUILT) ## everything at once, at random [MINUTES=5] [SEED=...]
	$(PY) -m tests.stress --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

fuzz: $(STAMP)test ## libFuzzer on messages and on the ABI, with coverage; needs clang [MINUTES=5 TARGET=wire|abi|core|python]
	$(PY) tests/fuzz/run.py --minutes $(or $(MINUTES),5) $(addprefix --target ,$(TARGET))

abi: $(STAMP)test ## compare header, exported symbols and ctypes table
	$(PY) helpers/abi.py

check: $(STAMP)check ## lint, types, formats, header, docs, workflows: all that needs no V8
	$(PY) helpers/check.py

format: $(STAMP)check ## rewrite the sources in the formats that check wants
	$(PY) helpers/check.py --fix

wheel: $(STAMP)wheel $(BUILT) ## dist/*.whl from what is built
	$(PY) -m build --wheel --outdir dist

sdist: $(STAMP)wheel ## dist/*.tar.gz
	$(PY) -m build --sdist --outdir dist

docs: $(STAMP)docs ## the site, in site/
	$(PY) -m mkdocs build --strict

docs-serve: $(STAMP)docs ## the site, live on this machine
	$(PY) -m mkdocs serve

bench: $(STAMP)bench $(BUILT) ## side by side with the peers of PyPI; writes benchmarks/results.md [ROWS="eval call" PEERS="jsrun" ROUNDS=3 QUICK=1]
	$(PY) benchmarks/bench.py --rows "$(ROWS)" --peers "$(PEERS)" $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick)

clean: ## remove what make made, but for V8's tree and caches outside of the checkout
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf py_mini_racer/*.so py_mini_racer/*.so.* py_mini_racer/*.dat py_mini_racer/*.bin $(BUILT) py_mini_racer/licenses
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Another V8 than the one that is here was asked for: build it, though nothing changed.
ifneq ($(V8),$(HERE))
.PHONY: $(BUILT)
endif

$(BUILT): $(SOURCES) | $(STAMP)build
	$(PROVIDER)
	@touch $@

$(STAMP)%: pyproject.toml helpers/setup_env.py
	$(PYTHON) helpers/setup_env.py $*
	@touch $@
