# Everything needs nothing but Python, pip and make at first; `.venv` is set up by what needs it.

PYTHON ?= python3
PORT ?= 5000
LANES ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PYTEST := $(BIN)/python -m pytest --numprocesses $(LANES) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install search ui tracked test test-all lint format docs bench pictures rehearse licences audit \
	clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## set up .venv, with all that is needed to use this and to work on it

search: $(INSTALLED)  ## search the synthetic dataset: 20 trials in a few minutes
	$(BIN)/python search/run.py --dataset synthetic --trials 20 --max-epochs 6

ui: tracked $(INSTALLED)  ## open the MLflow UI on what was tracked here, http://127.0.0.1:5000 (or PORT=...)
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
		$(BIN)/mlflow ui --workers 1 --host 127.0.0.1 --port $(PORT) \
		--backend-store-uri sqlite:///mlflow.db --default-artifact-root mlartifacts

tracked:
	@test -e mlflow.db || { echo "nothing was tracked here yet: make search" >&2; exit 2; }

test: $(INSTALLED)  ## run the tests, but for the slow ones: faults of whole searches and servers, the browser
	$(PYTEST) -m "not slow"

test-all: $(INSTALLED)  ## run all tests, with their coverage of dlf/ and search/ by branches
	$(PYTEST) --cov --cov-report= --durations=40
	$(BIN)/coverage report --include='dlf/*' --fail-under=90
	$(BIN)/coverage report --include='search/*' --fail-under=90

lint: $(INSTALLED)  ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)  ## mend style and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)  ## build the pages of docs/ into docs/_build/html, and follow their links
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	$(BIN)/python -m docs.check_links

bench: $(INSTALLED)  ## run all benchmarks anew, in an hour or so, and write docs/performance.md
	$(BIN)/python -m benchmarks

pictures: $(INSTALLED)  ## take the pictures of docs/images anew, in some minutes
	$(BIN)/python -m docs.take_pictures

rehearse: $(INSTALLED)  ## rehearse docker-compose.yml without Docker, in some minutes; needs root
	$(BIN)/python -m tests.deployment.rehearse

licences: $(INSTALLED)  ## write docs/reference/licences.md anew, from what is installed
	$(BIN)/python -m tests.supply.licences

audit: $(INSTALLED)  ## ask PyPI for known vulnerabilities of what constraints.txt pins
	$(BIN)/python -m tests.supply.audit

clean:  ## remove the environment and all caches; data, studies and tracking stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build docs/_build *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing into $(VENV): this takes some minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
