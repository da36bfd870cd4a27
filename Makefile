# `make` lists the targets. Every target that needs the environment makes it first; nothing is installed outside this directory
# except the distribution's Python, Java and Maven, and those only when missing.
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python
# Options for the command a target runs: make demo ARGS="--speed-up 20000"
ARGS ?=
UV = $(shell command -v uv || echo .uv/bin/uv)

.DEFAULT_GOAL := help
# In the order written, whatever -j says: pytest's closing line is to be the last.
.NOTPARALLEL:
.PHONY: help setup demo kills fuzz test lint format types unit bench worker broker lock clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## Install what is missing: Python, Java, Maven, uv, .venv, Kafka's jars
	@deploy/setup.sh

demo: setup ## A month of calls through a real Kafka; BROKER_URL=host:port uses a running cluster
	@$(PYTHON) -m demo $(ARGS)

kills: setup ## The demo for ten minutes, its worker killed with SIGKILL every 15 s: everything must still add up
	@$(PYTHON) -m demo --seconds 600 --calls 100000 --kill-every 15 $(ARGS)

fuzz: setup ## Account histories against the naive model, for long
	@HYPOTHESIS_PROFILE=long .venv/bin/pytest tests/wallet --timeout=0 $(ARGS)

test: setup lint types unit ## Lint, types, and every test, those on a real Kafka included

lint: setup ## Rules and format of the code
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

format: setup ## Rewrite the code in the house format
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

types: setup ## Static types, strict
	@.venv/bin/mypy

unit: setup ## The tests alone: make unit ARGS="tests/rules -k cap"
	@.venv/bin/pytest $(ARGS)

bench: setup ## Measure the worker beside plain Faust and a bare transactional loop
	@$(PYTHON) -m benchmarks $(ARGS)

worker: setup ## One worker, settings from the environment (python -m stream settings lists them)
	@exec $(PYTHON) -m stream worker $(ARGS)

broker: setup ## A single-node Kafka on 127.0.0.1:9092 until Ctrl-C
	@exec $(PYTHON) -m stream dev-broker $(ARGS)

lock: setup ## Resolve the dependencies again: requirements.lock, and of these what a worker needs for its image
	@$(UV) pip compile --quiet pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate -o requirements.lock
	@$(UV) pip compile --quiet pyproject.toml -c requirements.lock --universal --generate-hashes --no-header --no-annotate \
		-o deploy/requirements.lock

clean: ## Remove everything make has made, the downloads of this project included
	@rm -rf .venv .uv .kafka .stripe-mock .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
