# `make demo` and `make test` do all set-up on a fresh machine with Python 3.11+ and make; `make help` lists the rest.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := install
.PHONY: help install demo test browser fuzz faults audit coverage lint format types imports docs site check package bench results hooks clean

help:  ## this list
	@sed -nE 's/^([a-z]+):[^#]*## *(.*)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-15s %s\n", $$1, $$2}'

install: $(READY)  ## prepare .venv with everything (PYTHON=python3.12 names another Python)

# torch goes first and by exact version: with none installed, other packages would pull a build of several GB.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "saymask needs Python 3.11-3.13, got $$($(PYTHON) --version); name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,ray,gpu,dev]'
	touch $(READY)

demo: install  ## make a room, answer a sentence: out/demo.ply, out/demo.png
	$(BIN)/saymask demo --out out

test: install  ## the whole test suite, in two processes (JOBS=0: in one)
	$(BIN)/python -m pytest -n $(JOBS)

browser: install  ## the page in a real browser: Debian's Chromium, which root gets where it is missing
	@command -v chromium >/dev/null || { apt-get update --quiet=2 && apt-get install --quiet=2 --yes chromium >/dev/null; } || \
	  { echo "make browser needs Chromium: apt-get install chromium (as root)"; exit 2; }
	SAYMASK_BROWSER=1 $(BIN)/python -m pytest tests/viewer/test_browser.py

fuzz: install  ## 20,000 damaged files to every reader; counts per reader
	$(BIN)/python -m tests.fuzz --count 20000

faults: install  ## 25 kills of each of six commands, which then go on; then full disks, damage, odd names
	$(BIN)/python -m tests.faults --kills 25
	$(BIN)/python -m pytest tests/faults

audit: install  ## known weaknesses of the installed packages (asks the package index)
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --progress-spinner off --skip-editable

coverage: install  ## the test suite, and which lines it never reaches
	$(BIN)/coverage run --source saymask -m pytest
	$(BIN)/coverage report --skip-covered --sort cover

lint: install  ## ruff: rules and form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install  ## pyright over the package
	$(BIN)/pyright

imports: install  ## the direction of imports, and that there are no circles
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest tests/test_imports.py

docs: install  ## pictures, tables of results and README's numbers made again; links, citations, code of all pages
	$(BIN)/python docs/make_architecture.py
	$(BIN)/python docs/make_results.py
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python -m pytest tests/docs

site: install  ## the documentation as a site: out/site/index.html, which also opens from disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: install  ## what is quick: lint, imports, and that the installed packages fit together
	$(MAKE) lint imports
	$(BIN)/python -m pip check

package: install  ## wheel and sdist in dist/, checked: complete, and the sdist's tests can be collected
	$(BIN)/python .ci/package.py

bench: install  ## speed of everything, beside limits and other programs: docs/speed.md (about 20 minutes; goes on)
	$(BIN)/python -m benchmarks --write

results: install  ## all numbers of docs/results.md whose weights, data or command have changed (an hour for all; goes on)
	$(BIN)/python -m benchmarks.results
	$(BIN)/python docs/make_results.py

hooks: install  ## run the quick checks before every commit (pre-commit)
	$(BIN)/python -m pip install --quiet pre-commit
	$(BIN)/pre-commit install

clean:  ## remove .venv and everything that was built
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
