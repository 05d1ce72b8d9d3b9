# `make demo` and `make test` do all set-up on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: install demo test lint types bench clean

install: $(READY)

# torch goes first and by exact version: with none installed, other packages would pull a build of several GB.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "saymask needs Python 3.11-3.13, got $$($(PYTHON) --version); name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]'
	touch $(READY)

demo: install
	$(BIN)/python examples/demo.py --out out

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/pyright

bench: install
	$(BIN)/python -m benchmarks.sparse_unet --json
	$(BIN)/python -m benchmarks.end_to_end --json

clean:
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis
