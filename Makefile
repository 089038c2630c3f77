# `make demo` and `make test` need only Python 3.11 or newer (PYTHON=… to choose one) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test verify bench lint types acme mutants check format support surface release-check clean

demo: $(READY)
	@$(BIN)/gateway demo $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest -q -n auto $(ARGS)

# How fast each path is beside a bare program and its limit; ARGS="facade --json out.json" for some of it.
bench: $(READY) $(VENV)/.peers
	@$(BIN)/python -m tests.benchmarks $(ARGS)

# What takes too long for every change: real processes killed for minutes, days at the telephones, long lists, every mutant.
verify: $(READY)
	@$(BIN)/python -m tests.soaks.dials --dials 500 --kills 25
	@$(BIN)/python -m tests.soaks.webhooks --calls 500 --kills 20
	@$(BIN)/python -m tests.soaks.reconciling
	@$(BIN)/python -m tests.soaks.paging
	@$(BIN)/python -m tests.mutants

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy
	@cd examples/gateway-acme && MYPYPATH=. $(CURDIR)/$(BIN)/mypy

# The example plugin and a new one, against the built wheel, in an environment that has never seen this folder.
acme:
	@PYTHON=$(PYTHON) .ci/acme

# Adapters that are wrong in one way each: the suite must catch every one of them.
mutants: $(READY)
	@$(BIN)/python -m tests.mutants $(ARGS)

check: test lint types acme mutants

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Writes what the suites find that vendors support: every support report, and the README's tables; all of them or none.
support: $(READY)
	@$(BIN)/python -m tests.support

# What plugins may rely on has changed, and docs/plugins.md says how to raise the version for it.
surface: $(READY)
	@$(BIN)/python -m tests.contracts.exports
	@$(BIN)/python -m tests.contracts.surface

# What a release uploads: the wheel and the sdist are built into dist, checked, installed in a new environment, and run the demo.
release-check: $(READY) $(VENV)/.release
	@PYTHON=$(PYTHON) .ci/release-check

$(VENV)/.release: $(READY)
	@$(BIN)/python -m pip install --quiet --group release
	@touch $@

# What else a sidecar could be made of, to be measured beside ours.
$(VENV)/.peers: $(READY)
	@$(BIN)/python -m pip install --quiet --group peers || echo "FastAPI, httpx and uvicorn are left out"
	@touch $@

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@
