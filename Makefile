# Perdure's commands. `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp

# Processes that share the tests. Most tests wait for a server, so there are more of them than processors. They keep
# what they compile, whatever the environment says: a run starts hundreds of processes.
WORKERS ?= $(if $(FAST),2,4)
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# What needs a server that production uses; each has a command of its own.
NO_SERVICE := not redis and not postgres and not weaviate and not sglang
TRIALS := tests/chaos tests/trials tests/cli/retry_trial

# A question reaches the demonstration as one word, whatever is in it: make does not expand it, and the shell takes it
# from the environment.
override QUESTION := $(value QUESTION)
export QUESTION

# make up MODEL=sglang SGLANG_URL=http://host:30000/v1: a model server of your own in the place of the embedded one. The
# address reaches the settings as it is, and no shell reads it.
ifeq ($(origin MODEL),command line)
ifneq ($(MODEL),sglang)
$(error there is no MODEL=$(MODEL): MODEL=sglang is the one that there is, or leave it out)
endif
endif
ifeq ($(MODEL),sglang)
export PERDURE_PATHS__CATALOGUE ?= sglang
ifneq ($(origin SGLANG_URL),undefined)
export PERDURE_MODEL__ENDPOINTS := {"sglang": "$(value SGLANG_URL)"}
endif
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup fetch demo up worker migrate effects fix lint types arch golden test test-redis test-postgres test-weaviate \
  test-sglang test-services check chaos bench histories train-injection wheel lock clean sbom

help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) $(BIN)/perdure ## Create .venv with exactly what requirements.lock says, and the command .venv/bin/perdure

$(BIN)/perdure: deploy/cli/perdure | $(STAMP)
	@install -m 755 $< $@

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: $(PYTHON) is `$(PYTHON) --version 2>&1`; Perdure needs Python 3.11 or newer: make setup PYTHON=python3.12" >&2; exit 1; }
	@if command -v uv >/dev/null; then \
	  echo "setup: installing requirements.lock with uv"; \
	  { [ -x $(BIN)/python ] || uv venv --quiet --python "$(PYTHON)" .venv; } && \
	  uv pip sync --python $(BIN)/python --require-hashes requirements.lock; \
	else \
	  echo "setup: installing requirements.lock with pip (uv is faster: pip install uv)"; \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install --require-hashes --requirement requirements.lock; \
	fi
	@touch $@

fetch: setup ## Fetch and verify the embedded stack's models; with TIER=strong also the larger one (1.1 GB)
	@$(BIN)/perdure fetch $(if $(TIER),--tier $(TIER))

demo: fetch ## Ask the demonstration's questions and let its agent act: make demo QUESTION="..." TIER=strong STORE=weaviate YES=1
	@$(BIN)/perdure demo $(if $(TIER),--tier $(TIER)) $(if $(STORE),--store $(STORE)) $(if $(YES),--yes) $${QUESTION:+-- "$$QUESTION"}

up: fetch ## Start the stack and a worker, until Ctrl-C: TIER=strong, STORE=weaviate, MODEL=sglang SGLANG_URL=http://host/v1
	@$(BIN)/perdure up $(if $(TIER),--tier $(TIER)) $(if $(STORE),--store $(STORE))

worker: setup ## Start a worker of every role on the Temporal that TEMPORAL_ADDRESS names
	@$(BIN)/perdure worker

migrate: setup ## Bring the database that the settings name up to date, as every worker does when it starts
	@$(BIN)/perdure migrate

effects: setup ## Show the table of effects: what each does to the world, and how it runs
	@$(BIN)/perdure effects

fix: setup ## Format, and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: setup ## Check format and lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: setup ## Check types, strictly
	$(BIN)/basedpyright

arch: setup ## Check who may import whom
	$(BIN)/lint-imports

golden: fetch ## Ask the golden questions and score the answers
	$(BIN)/perdure evals golden

test: fetch ## Run the tests, some with killed workers; FAST=1 those without any server, WORKERS=1 one by one
	$(PYTEST) -m "not trial and $(if $(FAST),not server and )$(NO_SERVICE)"

test-redis: fetch ## Run the tests of everything that Redis keeps, on a Redis server of their own
	$(PYTEST) -m redis

test-postgres: fetch ## Run the tests of everything that PostgreSQL keeps, on a PostgreSQL server of their own
	$(PYTEST) -m postgres

test-weaviate: fetch ## Run the store's tests and the chain on a Weaviate server, built once (6 minutes)
	@$(if $(WEAVIATE_URL),,$(BIN)/python -m deploy.weaviate || true)  # where it cannot be built, the tests say so
	$(PYTEST) -m weaviate

test-sglang: fetch ## Run the model's tests and the chain on SGLang, installed once (6 GB) and served on the CPU
	@$(BIN)/python -m deploy.sglang install || true  # where it cannot be installed, the tests say so
	$(BIN)/pytest -m sglang

test-services: test-redis test-postgres test-weaviate test-sglang ## Run the tests of every server in production's place

check: lint types arch golden ## Everything that CI asks, and `make test` last
	@$(MAKE) --no-print-directory test

chaos: fetch ## Run all trials: kill workers at every step there is, hours; SAMPLE=1 a seeded sample, minutes
	$(if $(SAMPLE),$(PYTEST) -m "trial and $(NO_SERVICE)",$(BIN)/pytest --chaos=all) $(TRIALS)

bench: fetch ## Measure latency, throughput and the cost of a step
	$(BIN)/python -m tests.bench

histories: setup ## Record the histories of new workflow versions for the replay gate
	$(BIN)/python -m tests.replay.record

train-injection: setup ## Train the guard against prompt injections anew, from public corpora
	$(BIN)/perdure evals train-injection
	$(BIN)/perdure evals injection-honest --write

wheel: setup ## Build the wheel, which is perdure/ alone, into dist/
	$(BIN)/python -m build --wheel --no-isolation

lock: setup ## Compile requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group platform --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

clean: ## Remove build outputs and caches; never var/ (your runs and documents), the models or .venv
	rm -rf dist build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name var -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

sbom: setup ## Write what is shipped, with licences and hashes, into dist/ (CycloneDX); `perdure licences` lists
	@$(BIN)/perdure sbom dist/perdure.cdx.json
