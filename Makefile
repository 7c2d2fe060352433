# `make demo` runs a pipeline end to end on this machine; `make test` runs the whole suite.
# Each sets up all that it needs in .venv, and again only when what it was made from has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Each worker has an Airflow, a cluster and an MLflow of its own: more than four are not worth their memory.
PARALLEL ?= --numprocesses logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder
export TRADEWIND_HOME ?= $(CURDIR)/.tradewind
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: docs help setup demo up test test-cluster test-crashes check check-docker format bench load golden golden-runs golden-runs-check constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tradewind needs Python 3.11 or newer; $(PYTHON) is not: make PYTHON=python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(READY) ## set up .venv

demo: $(READY) ## train, evaluate and register models on this machine, tracked in MLflow
	@$(BIN)/tradewind run dags/breast_cancer.py

up: $(READY) ## start Airflow, MLflow and the embedded cluster with their UIs
	@$(BIN)/tradewind up

test: $(READY) ## run the whole test suite; needs no cluster, and touches none
	@env -u KUBECONFIG $(BIN)/python -m pytest tests $(PARALLEL)

test-cluster: $(READY) ## run the tests on the cluster that KUBECONFIG names: give them one that is theirs
	@test -n "$$KUBECONFIG" || { echo "Set KUBECONFIG to a cluster that is there for tests" >&2; exit 2; }
	@$(BIN)/python -m pytest tests/cluster -m "not disruptive"

test-crashes: $(READY) ## run those that take that cluster, and Airflow, down again and again; twenty minutes
	@test -n "$$KUBECONFIG" || { echo "Set KUBECONFIG to a cluster that is there for tests" >&2; exit 2; }
	@$(BIN)/python -m pytest tests/cluster -m disruptive

check: $(READY) ## lint, format, types and import layers
	@$(BIN)/ruff check --no-cache . # a cached answer outlives the modules that it knew
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check-docker: $(READY) ## check docker/: the package in a clean environment, Dockerfiles, manifests
	@docker/check

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## measure speed and size against hand-written KubernetesPodOperators
	@cd tests && $(CURDIR)/$(BIN)/python -m bench

load: $(READY) ## run a loop of 500 iterations and 50 runs at once, and count what came of it
	@cd tests && $(CURDIR)/$(BIN)/python -m bench.load

golden: $(READY) ## write the golden plans anew (tests/golden/plans); look at the diff
	@GOLDEN=write $(BIN)/python -m pytest --quiet tests/golden/test_plan_files.py

golden-runs: $(READY) ## run all golden pipelines and write down what they come to (tests/golden/runs); look at the diff
	@RUNS=write $(BIN)/python -m pytest --quiet tests/e2e/test_golden_runs.py

golden-runs-check: $(READY) ## run all golden pipelines, those compiled by older SDKs included
	@RUNS=all $(BIN)/python -m pytest --quiet tests/e2e/test_golden_runs.py

docs: $(READY) ## write docs/configuration.md anew from the provider's description
	@$(BIN)/python docs/generate.py

constraints: ## write constraints.txt anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra dev --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --output-file constraints.txt

clean: ## remove the environment and all local state
	rm -rf $(VENV) $(TRADEWIND_HOME)
