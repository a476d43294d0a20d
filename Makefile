# `make search` and `make test` need nothing but Python, pip and make; they set up .venv themselves.

PYTHON ?= python3
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help search test test-all check ui tracked pictures rehearse clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

search: $(INSTALLED)  ## search the synthetic dataset: 20 trials in a few minutes
	$(BIN)/python search/run.py --dataset synthetic --trials 20 --max-epochs 6

test: $(INSTALLED)  ## run the tests, but for the slow ones: faults of whole searches and servers, the browser
	$(BIN)/python -m pytest -m "not slow"

test-all: $(INSTALLED)  ## run all tests
	$(BIN)/python -m pytest

check: $(INSTALLED)  ## lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

ui: tracked $(INSTALLED)  ## open the MLflow UI on what was tracked here, http://127.0.0.1:5000 (or PORT=...)
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
		$(BIN)/mlflow ui --workers 1 --host 127.0.0.1 --port $(PORT) \
		--backend-store-uri sqlite:///mlflow.db --default-artifact-root mlartifacts

tracked:
	@test -e mlflow.db || { echo "nothing was tracked here yet: make search" >&2; exit 2; }

pictures: $(INSTALLED)  ## take the pictures of docs/images anew, in some minutes
	$(BIN)/python -m docs.take_pictures

rehearse: $(INSTALLED)  ## rehearse docker-compose.yml without Docker, in some minutes; needs root
	$(BIN)/python -m tests.deployment.rehearse

clean:  ## remove the environment and all caches; data, studies and tracking stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing into $(VENV): this takes some minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
