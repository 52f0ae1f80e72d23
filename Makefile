# Two commands do all the set-up they need on a fresh Debian 12: make demo, make test.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv from requirements.lock, with banish in it

$(READY): pyproject.toml requirements.lock
	@scripts/install-packages setup
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "banish needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

demo: setup ## Show a real SSH attack being cut off by the kernel, in namespaces of its own
	@scripts/install-packages demo
	@$(BIN)/python -m lab.demo

test: setup check ## Run every check and every test, in namespaces of their own
	@scripts/install-packages demo test
	@scripts/in-namespace $(BIN)/python -m pytest -m "not alone" --numprocesses auto --maxprocesses 8
	@scripts/in-namespace $(BIN)/python -m pytest -m alone

check: setup ## Check style, types, import rules and the lock file
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 3
	@$(BIN)/python scripts/check_lock.py

bench: setup ## Measure against fail2ban, side by side in one run
	@scripts/install-packages demo test bench
	@$(BIN)/python -m bench

lock: setup ## Pin the newest versions into requirements.lock
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --upgrade \
		--no-header --no-emit-index-url --output-file requirements.lock pyproject.toml

clean: ## Remove what the other targets made
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
