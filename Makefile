# `make help` lists the targets. Needs python3 (3.11 or later), pip, git and make.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Processes that run tests, one thread each; some of their time they wait.
WORKERS ?= 4
# Lines that tests ran; slipcover 1.1 forgets those of its workers if it is to judge them.
SEEN := .mypy_cache/coverage.json

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is younger than pyproject.toml when the environment has what that file asks for.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "$(PYTHON) is missing or older than 3.11: install Python 3.11 or later, or say make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@command -v uv >/dev/null || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) comes without venv here: run 'sudo apt install python3-venv' and try again"; exit 1; }
	@echo "installing into $(VENV): about 3.4 GB to download and 6 GB of disk, some minutes"
	@if command -v uv >/dev/null; then \
	  { test -x $(BIN)/python || uv venv --python $(PYTHON) $(VENV); } \
	  && uv pip install --compile-bytecode --python $(BIN)/python -e '.[dev]'; \
	else \
	  { test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV); } \
	  && $(BIN)/python -m pip install --quiet --upgrade pip \
	  && $(BIN)/python -m pip install --quiet -e '.[dev]'; \
	fi
	@touch $@

.PHONY: setup
setup: $(STAMP) ## make .venv with everything in it (once)

.PHONY: demo
demo: $(STAMP) ## train a WGAN-GP on real digits, at most 3 minutes on 2 cores
	$(BIN)/python -m experiments.demo

.PHONY: lint
lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: $(STAMP) ## mypy --strict, tests included
	$(BIN)/mypy --strict

.PHONY: test
test: lint ## lint, type-check, all quick tests, coverage >= 95 %
	@# torch can't compile what slipcover instruments, so these run without it, with mypy
	@mkdir -p .mypy_cache; { $(BIN)/mypy --strict && $(BIN)/python -m pytest -q \
	  -m "compiles and not slow" tests/lightning_modules; } > .mypy_cache/said 2>&1 & others=$$!; \
	$(BIN)/slipcover --json --out $(SEEN) -m pytest -n $(WORKERS) \
	  -m "not slow and not compiles" --hypothesis-profile=ci --durations=10; tests=$$?; \
	$(BIN)/slipcover --merge $(SEEN) --out $(SEEN) --skip-covered --fail-under 95 \
	  || tests=1; \
	wait $$others; others=$$?; cat .mypy_cache/said; exit $$((tests || others))

.PHONY: slow
slow: $(STAMP) ## the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout=3600

.PHONY: format
format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

results-%: $(STAMP) ## run what is missing of docs/results/<table>.jsonl and rebuild docs/results.md
	$(BIN)/python -m experiments.results run $*

# The commands are written into the models' cards. MNIST is downloaded.
, := ,
QUIET := --trainer.enable_progress_bar false --trainer.enable_model_summary false
define MODEL
	cd build/models && $(CURDIR)/$(BIN)/wasserstein-critics fit --config $(2) $(4) $(QUIET)
	cd build/models && $(CURDIR)/$(BIN)/wasserstein-critics test \
	  --config runs/$(3)/version_0/config.yaml --ckpt_path runs/$(3)/version_0/checkpoints/last.ckpt
	cd build/models && $(CURDIR)/$(BIN)/wasserstein-critics export runs/$(3)/version_0 \
	  --to $(1) --license apache-2.0 --no-onnx
endef

.PHONY: models
models: $(STAMP) ## train the shipped models into build/models, to be looked at and copied: 10 minutes
	rm -rf build/models && mkdir -p build/models
	$(call MODEL,digits_shift,wdgrl/digits_shift,wdgrl-digits_shift)
	$(call MODEL,digits,wgan_gp/digits,wgan_gp-digits,--model.generator.hidden [192$(,)192$(,)192] --model.critic.hidden [192$(,)192$(,)192])
	$(call MODEL,mnist,wgan_gp/mnist,wgan_gp-mnist,--trainer.max_steps 2000)

.PHONY: figures
figures: $(STAMP) ## run and draw the studies of docs/theory.md from nothing, two at a time
	$(BIN)/python -m experiments.studies run

.PHONY: docs
docs: $(STAMP) ## build the documentation site into site/, which works offline
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --quiet
	@echo 'open site/index.html in a browser'

.PHONY: bench
bench: $(STAMP) ## time everything and write docs/performance.md (an hour on a quiet machine)
	$(BIN)/python -m benchmarks

.PHONY: torture
torture: $(STAMP) ## kill, fill, damage and deceive the command line; write docs/reliability.md (hours)
	$(BIN)/python -m tests.torture

.PHONY: audit
audit: $(STAMP) ## ask the network for known faults of the versions in constraints.txt
	@if command -v uv >/dev/null; then \
	  uvx pip-audit --no-deps --disable-pip -r constraints.txt; \
	else \
	  $(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet pip-audit \
	  && build/audit/bin/pip-audit --no-deps --disable-pip -r constraints.txt; \
	fi

.PHONY: clean
clean: ## remove caches and builds; .venv, runs and data stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
