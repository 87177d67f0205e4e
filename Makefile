# Every verb sets up what it needs; after that, everything works offline.
.DEFAULT_GOAL := help
.PHONY: help setup verify gate mutants test lint types suite conformance bench nightly readme lock clean

# Modules are compiled once, as pip does it for those that it installs, and not by every process that a test starts.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
BIN := .venv/bin
# Named by what is to be installed, so that a changed lock file is installed whatever the files' times say.
READY := .venv/.ready-$(shell cat requirements.lock pyproject.toml | cksum | tr ' ' '-')

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY):
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## Install the locked dependencies into .venv

verify: $(READY) ## Verify the shipped grants
	$(BIN)/grantproof verify templates

mutants: $(READY) ## Break the shipped grants on purpose, and see whether the suites notice
	$(BIN)/grantproof mutants templates

.PHONY: evidence browser
evidence: $(READY) ## Verify the shipped grants and write every report into reports/
	$(BIN)/grantproof verify templates --report-dir reports

browser: ## Install Chromium, in which the HTML report is tested, where it is missing (Debian; elsewhere set CHROMIUM)
	@test -n "$(CHROMIUM)" || command -v chromium > /dev/null || \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test: lint types suite ## Everything that has to pass before a merge

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

suite: $(READY)
	$(BIN)/pytest --junitxml=reports/junit.xml

conformance: $(READY) ## Score this evaluator and moto's against the conformance cases
	$(BIN)/python -m tests.bench.conformance

gate: $(READY) ## What this change does to access: make gate BASE=origin/main
	$(BIN)/grantproof gate templates --base $(or $(BASE),origin/main)

bench: $(READY) ## Measure, as ratios side by side in one run
	$(BIN)/python -m tests.bench.reports
	$(BIN)/python -m tests.bench.verify
	$(BIN)/python -m tests.bench.wire
	$(BIN)/python -m tests.bench.evaluate
	$(BIN)/python -m tests.bench.fleet
	$(BIN)/python -m tests.bench.compare

NIGHTLY := nightly-fleet nightly-mutants nightly-enumeration nightly-solver nightly-matrix nightly-shapes nightly-lowest
.PHONY: $(NIGHTLY)
nightly: $(NIGHTLY) ## What takes longer than a merge can wait: enumeration, a solver's opinion (-k: go on where one fails)

nightly-fleet: $(READY)
	$(BIN)/pytest -n 0 tests/nightly/fleet.py

nightly-mutants: $(READY)
	$(BIN)/grantproof mutants templates/cross-account-ssm
	$(BIN)/grantproof mutants fixtures/mutants/grants

nightly-enumeration: $(READY)
	$(BIN)/python -m tests.nightly.enumeration

nightly-solver: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/nightly/requirements.lock
	$(BIN)/python -m tests.nightly.solver

nightly-lowest: $(READY)
	$(BIN)/python -m tests.nightly.lowest

nightly-matrix: $(READY)
	$(BIN)/python -m tests.bench.compare --matrix

nightly-shapes: $(READY)
	GRANTPROOF_NIGHTLY=1 $(BIN)/pytest -n 0 tests/test_shapes.py

readme: $(READY) ## Write the real output of its commands into the README
	$(BIN)/python -m tests.test_readme

lock: $(READY) ## Renew the lock file from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra dask --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

clean: ## Remove everything that was built
	rm -rf .venv reports build dist .mypy_cache .ruff_cache .hypothesis
