# Needs Python 3.11 and pip, nothing else. Everything is installed in .venv, from the locks, hashes checked.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The pip of PYTHON works on the environment, which has none of its own: not every Python comes with what makes one.
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet

.PHONY: up test check demo crash
.DELETE_ON_ERROR:

up: $(VENV)/runtime.stamp  ## start Laguna on http://127.0.0.1:3000, its data in ./data
	$(BIN)/laguna up

test: $(VENV)/dev.stamp  ## run the tests
	$(BIN)/python -m pytest -n 2

demo: $(VENV)/dev.stamp  ## bill the flights of a year, see README.md
	$(BIN)/laguna demo

crash: $(VENV)/dev.stamp  ## kill everything with -9, 20 times while billing and 20 times while events come in: some minutes
	PYTHONPATH=tests $(BIN)/python -m crash

check: $(VENV)/dev.stamp  ## style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Laguna needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv --clear --without-pip $(VENV)

$(VENV)/runtime.stamp: requirements.lock
$(VENV)/dev.stamp: requirements-dev.lock

$(VENV)/runtime.stamp $(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	@echo "Installing $(filter %.lock,$^) in $(VENV) ..."
	$(PIP) install --require-hashes -r requirements-build.lock
	$(PIP) install --no-build-isolation --require-hashes -r $(filter %.lock,$^)
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@
