# `make run` demonstrates the relay, `make test` runs all tests, `make check` must pass before a change is merged.
# Everything is installed inside this checkout: tools in .tools/, the development environment in .venv/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export UV_CACHE_DIR ?= $(CURDIR)/.tools/cache
export UV_PYTHON_INSTALL_DIR ?= $(CURDIR)/.tools/python
export PIP_CACHE_DIR ?= $(CURDIR)/.tools/cache/pip
# The directory of sam's metadata, instead of ~/.aws-sam. For `make run`, relayctl sets a new directory for each run.
export __SAM_CLI_APP_DIR := $(CURDIR)/.tools/cache/aws-sam
export SAM_CLI_TELEMETRY := 0
export AWS_EC2_METADATA_DISABLED := true
export AWS_DEFAULT_REGION ?= eu-west-1
export PYTHONPATH := $(CURDIR)/src:$(CURDIR)/tools

UV  := .tools/uv/bin/uv
PY  := .venv/bin/python
SAM := .tools/sam/bin/sam

.PHONY: help setup run test fuzz check bench bench-peers chaos openapi reference requirements clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

# --- setup ------------------------------------------------------------------------------------------

setup: .venv/.done .tools/sam/.done .tools/ministack/.done ## create the environments; the other targets do it too

.tools/uv/.done: requirements/uv.txt
	@echo "setup: uv"
	@python3 -m venv --clear .tools/uv || { echo "setup: python3 cannot create a virtual environment; on Debian, run: apt install python3-venv" >&2; exit 1; }
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# $(call environment,NAME,DIRECTORY) creates a virtual environment with exactly the packages of requirements/NAME.txt.
define environment
@echo "setup: $(1)"
@$(UV) venv --quiet --allow-existing $(2) || { echo "setup: Python 3.13 is needed (the Lambda runtime's version); uv found none and could not download it" >&2; exit 1; }
@$(UV) pip sync --quiet --require-hashes --python $(2)/bin/python requirements/$(1).txt
@touch $(2)/.done
endef

.venv/.done: requirements/dev.txt .python-version pyproject.toml | .tools/uv/.done
	$(call environment,dev,.venv)
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python .venv/bin/python --editable .
	@touch $@
.tools/sam/.done: requirements/sam.txt .python-version | .tools/uv/.done
	$(call environment,sam,.tools/sam)
.tools/ministack/.done: requirements/ministack.txt .python-version | .tools/uv/.done
	$(call environment,ministack,.tools/ministack)

# --- work -------------------------------------------------------------------------------------------

run: setup ## run the relay locally and send an example: SOURCE= and EXAMPLE= choose it; ONCE=1 stops after its push
	@$(PY) -m relayctl run $(if $(ONCE),--once) $(if $(SOURCE),--source $(SOURCE)) $(if $(EXAMPLE),--example $(EXAMPLE))

test: setup ## run every test; ARGS= is passed to pytest, JOBS= is the number of processes (2)
	@$(PY) -m pytest --numprocesses $(or $(JOBS),2) --dist loadfile $(ARGS)

FUZZ_SECS ?= 60
fuzz: setup ## fuzz the receive path and messages from AWS for FUZZ_SECS= (60) seconds; the corpus and the findings stay in .fuzz/
	@mkdir -p .fuzz/corpus
	@$(PY) tests/fuzz/receive_target.py -max_total_time=$(FUZZ_SECS) -max_len=8192 -timeout=10 \
	  -artifact_prefix=.fuzz/ -print_final_stats=1 .fuzz/corpus

check: setup ## check formatting, lint, spelling, vocabulary, types, import rules, template and docs
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/typos
	$(PY) -m prose
	$(PY) -m mypy
	$(PY) -m mypy bench/*.py
	.venv/bin/lint-imports --no-cache
	$(SAM) validate --lint --template template.yaml
	$(PY) -m relayctl check
	$(PY) -m relayctl openapi --check
	$(PY) -m relayctl reference --check
	$(PY) -m pytest --quiet tests/unit/test_lint.py tests/unit/test_docs.py tests/unit/test_docs_pages.py tests/unit/test_reference.py

.tools/bench-peers/.done: requirements/bench-peers.txt .python-version | .tools/uv/.done
	$(call environment,bench-peers,.tools/bench-peers)
	@.tools/bench-peers/bin/python -m compileall -q -j 0 .tools/bench-peers/lib/python3.13/site-packages

bench-peers: .tools/bench-peers/.done ## install what `make bench` compares the relay with, and what draws its charts

bench: setup ## measure start, CPU, memory, cost and pace; write bench/report.json and report.md; ONLY= begins some rows' names
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests $(PY) bench $(ONLY)

chaos: setup ## break everything on purpose and check the result: EVENTS= (2000), SEED= (any), PARALLEL=, PER_DAY=
	@$(PY) -m chaos --events $(or $(EVENTS),2000) $(if $(SEED),--seed $(SEED)) --report bench/chaos.json \
	  $(if $(PARALLEL),--parallel $(PARALLEL)) $(if $(PER_DAY),--per-day $(PER_DAY))

openapi: setup ## write docs/openapi.json: the HTTP interface, from the code and the sources
	@$(PY) -m relayctl openapi

reference: setup ## write the tables of keys in docs/, docs/schemas/ and docs/sources/, from the code and the sources
	@$(PY) -m relayctl reference

requirements: .tools/uv/.done ## compile requirements/*.in to pinned files; UPGRADE=1 takes the newest versions
	@cd requirements && for name in runtime dev sam ministack uv bench-peers; do \
	  ../$(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-emit-index-url \
	    --custom-compile-command 'make requirements' $(if $(UPGRADE),--upgrade) $$name.in -o $$name.txt; \
	done

clean: ## remove what builds and runs left (environments stay)
	rm -rf .aws-sam .run .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz bench/.work
