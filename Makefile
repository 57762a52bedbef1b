# Python 3.11, pip and make are all that has to be there. What these commands make lies in .venv and var/.
SHELL := /bin/sh
PORT ?= 8000
ARGS ?=
MINUTES ?= 5
SEED ?=
export PORT
# What Python compiles is kept in one folder, also where the caller lets it write nothing beside the sources: else each
# of our processes would compile all of it anew, which is most of the time that it takes to start.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/var/cache/pyc
PYTHON_HERE := .venv/bin/python

.PHONY: help environment run test proof chaos lint types format clean

help:
	@echo "make run            the whole of Steward with demo data, at http://127.0.0.1:$(PORT) (make run PORT=8001)"
	@echo "make test           every check, and every test but the proof's own (make test ARGS='-k refund' for some of them)"
	@echo "make proof          over an hour of trying to lose money, and a sheet that says what came of it (docs/proof.md)"
	@echo "make chaos          processes are killed and networks broken, and the books are compared (MINUTES=5, SEED=n)"
	@echo "make lint           the style checks and the rules for imports"
	@echo "make types          the type checker"
	@echo "make format         put the code into its one style"
	@echo "make clean          remove the environment, the caches and the tests' servers; the demo's data stays"
	@echo
	@echo "STATE_DIR=folder    where data, logs and secrets lie (var/)"
	@echo "DATABASE_URL=...    a PostgreSQL of your own instead of the bundled one"
	@echo "REDIS_URL=...       a Redis of your own for make run, or none to do without; tests empty theirs, and use no other"

environment:
	@sh config/local/environment.sh

run: environment
	@exec $(PYTHON_HERE) -m config.local run

test: environment
	@exec $(PYTHON_HERE) -m config.local test $(ARGS)

proof: environment
	@exec $(PYTHON_HERE) -m tests.proof $(ARGS)

chaos: environment
	@exec $(PYTHON_HERE) -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

lint: environment
	@exec $(PYTHON_HERE) -m config.local lint

types: environment
	@exec $(PYTHON_HERE) -m mypy

format: environment
	@$(PYTHON_HERE) -m ruff check --fix --exit-zero --quiet .
	@exec $(PYTHON_HERE) -m ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles var/test var/cache var/tmp
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
