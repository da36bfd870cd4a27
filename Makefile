# `make` lists the targets. Every target that needs the environment makes it first; nothing is installed outside this directory
# except the distribution's Python, Java, Maven and Redis, and those only when missing.
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python
# Options for the command a target runs: make demo ARGS="--speed-up 20000"
ARGS ?=
# Processes that run the tests, more than there are cores: most of the time they wait for Kafka, a process or a deadline.
# 0 runs the tests in one, where a debugger works.
PROCESSES ?= 3
UV = $(shell command -v uv || echo .uv/bin/uv)

.DEFAULT_GOAL := help
# In the order written, whatever -j says: pytest's closing line is to be the last.
.NOTPARALLEL:
.PHONY: help setup setup-tests demo kills attack outage fuzz test lint format types audit unit bench up stack worker broker lock reference runbook pictures clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## Install what is missing: Python, Java, Maven, Redis, uv, .venv, Kafka's jars
	@deploy/setup.sh

setup-tests: setup ## Install that, and what the tests alone need: Go for stripe-mock, Prometheus
	@deploy/setup.sh tests

up: setup ## Run everything with demo accounts to look at until Ctrl-C; ARGS=--fresh starts over
	@exec $(PYTHON) -m tollgate up $(ARGS)

demo: setup ## Play a month of calls through a real Kafka; BROKER_URL=host:port uses a running cluster
	@$(PYTHON) -m demo $(ARGS)

kills: setup ## Run the demo for ten minutes and kill its worker every 15 s: everything must still add up
	@$(PYTHON) -m demo --seconds 600 --calls 100000 --kill-every 15 $(ARGS)

attack: setup ## Cause ten minutes of faults in workers, broker and group; every input must have one outcome
	@$(PYTHON) -m tests.campaign $(ARGS)

outage: setup ## Stop the engine for a minute while calls are authorized, ARGS="--seconds 600" longer: all must add up
	@$(PYTHON) -m tests.gateway.gate $(ARGS)

fuzz: setup ## Compare account histories with the naive model, for a long time
	@HYPOTHESIS_PROFILE=long .venv/bin/pytest tests/model --timeout=0 $(ARGS)

test: setup-tests lint types audit unit ## Run lint, types, audit and every test, those on a real Kafka included

lint: setup ## Check rules and format of the code
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

format: setup ## Rewrite the code in the house format
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

types: setup ## Check static types, strictly
	@.venv/bin/mypy

audit: setup ## Check the locked dependencies for known vulnerabilities, where the registry answers
	@$(PYTHON) -m deploy.audit

unit: setup-tests ## Run the tests alone: make unit ARGS="tests/rules -k cap"
	@.venv/bin/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: setup ## Measure the worker beside plain Faust and a bare transactional loop
	@$(PYTHON) -m benchmarks $(ARGS)

stack: setup ## Run Kafka, Redis and every process until Ctrl-C: make stack ARGS="--without gateway"
	@exec $(PYTHON) -m tollgate stack $(ARGS)

worker: setup ## Run one worker, with settings from the environment (tollgate settings lists them)
	@exec $(PYTHON) -m tollgate worker $(ARGS)

broker: setup ## Run a single-node Kafka on 127.0.0.1:9092 until Ctrl-C
	@exec $(PYTHON) -m tollgate dev-broker $(ARGS)

lock: setup ## Resolve the dependencies again: requirements.lock, and the parts of it that an image needs
	@$(UV) pip compile --quiet pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate -o requirements.lock
	@$(UV) pip compile --quiet pyproject.toml -c requirements.lock --universal --generate-hashes --no-header --no-annotate \
		-o deploy/requirements.lock
	@$(UV) pip compile --quiet --group build -c requirements.lock --universal --generate-hashes --no-header --no-annotate \
		-o deploy/build.lock

reference: setup ## Render docs/reference and docs/images from the code
	@$(PYTHON) -m deploy.render_reference

runbook: setup ## Render the runbook page that Prometheus serves for its alerts
	@$(PYTHON) -m deploy.render_runbook

pictures: setup-tests ## Take the pictures of the owner's page and of a mail again; needs chromium
	@$(PYTHON) -m deploy.render_pictures

clean: ## Remove everything make has made, the downloads of this project included
	@rm -rf .venv .uv .kafka .stripe-mock .prometheus .bench .tollgate .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
