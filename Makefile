# Needs python3 (3.11 or newer) and make; everything else is installed into .venv and .venv-oldest.

PYTHON ?= python3
WORKERS ?= 3
BIN := .venv/bin
UV := $(BIN)/uv
OLDEST := .venv-oldest/bin
RUNTIME := ".[cli,download,local]"
EXTRAS := ".[batch,cli,download,local,notebook,plot,progress,tokenizer]"
PYTEST_ARGS ?=
# Child processes import everything anew: compiled once, they start in a third of the time, and tests are collected in half.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=
RUFF_FILES := . --extend-exclude ".venv-*"
PYTEST := -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test test-newest test-oldest test-slow test-all soak fuzz bench bench-batch record pictures integration-vllm servers docs dist lint \
	types format clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/runtime ## A tour in the terminal, on an embedded engine or on $QWEN_BASE_URL
	@$(BIN)/python examples/demo.py

test: test-newest test-oldest ## The whole suite, on the newest and the oldest supported dependencies

test-newest: .venv/dev ## The suite on the newest dependencies
	$(BIN)/python $(PYTEST) -m "not slow and not vllm"

test-oldest: .venv-oldest/dev ## The suite on the oldest dependencies
	$(OLDEST)/python $(PYTEST) -m "not slow and not vllm"

test-slow: .venv/dev .venv/slow .venv-oldest/dev ## The slow tests alone: Ray and Dask, a browser, every byte; on both
	$(BIN)/python $(PYTEST) -m "slow and not vllm"
	$(OLDEST)/python $(PYTEST) -m "slow and not vllm"

test-all: test test-slow ## The suite with its slow tests, on both

soak: .venv/dev .venv-oldest/dev ## N calls (20000) at a server that fails one in ten, each to end right or in a typed error
	$(BIN)/python -W error -m tests.faults.soak $(or $(N),20000)
	$(OLDEST)/python -W error -m tests.faults.soak $(or $(N),20000)

fuzz: .venv/fuzz ## Search for SECONDS (300) in all for inputs that break a reader; what leads to new code is kept
	$(BIN)/python -m tests.fuzz.fuzz $(or $(SECONDS),300)

bench: .venv-bench/ready ## ChatQwen3 against its peers: docs/benchmarks.{json,md,png}; ARGS=--quick for a short one
	.venv-bench/bin/python -m bench.run --json docs/benchmarks.json $(ARGS)
	.venv-bench/bin/python -m bench.report

bench-batch: .venv/dev ## A batch's memory, its time per row and its pace; ARGS=memory for one of them
	$(BIN)/python -m bench.batch $(ARGS)

record: .venv/dev ## Record the cassettes anew; vLLM's too with VLLM_PYTHON=/path/to/python
	VLLM_PYTHON="$(VLLM_PYTHON)" $(BIN)/python tools/record_cassettes.py $(PYTEST_ARGS)

pictures: .venv/dev .venv/slow ## The pictures of the documentation, each from a real run; ARGS="terminal web" for some
	$(BIN)/python tools/make_pictures.py $(ARGS)

integration-vllm: .venv/dev ## LangChain's suite live on vLLM at $VLLM_BASE_URL ($VLLM_API_KEY, $VLLM_MODEL)
	$(BIN)/python -m pytest -m vllm tests/integration/test_vllm.py $(PYTEST_ARGS)

servers: .venv/dev ## Real servers in environments of their own: LangChain's suite and the doctor on each; ARGS="ms-swift" for one
	$(BIN)/python tools/live_servers.py $(ARGS)

docs: .venv/docs ## The documentation, built strictly into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

dist: .venv/dev ## Wheel and sdist, built and checked
	rm -rf dist
	$(UV) build -q --python $(BIN)/python
	$(UV) tool run -q twine check --strict dist/*

lint: .venv/dev ## ruff: rules and format
	$(BIN)/ruff check $(RUFF_FILES)
	$(BIN)/ruff format --check $(RUFF_FILES)

types: .venv/dev ## mypy, strict, and both checkers over code as users write it
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/python -m pytest -q -m slow tests/typing

format: .venv/dev ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix $(RUFF_FILES)
	$(BIN)/ruff format $(RUFF_FILES)

clean: ## Remove the environments and every cache
	rm -rf .venv* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/uv:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@touch $@

.venv/runtime: .venv/uv pyproject.toml
	$(UV) pip install -q -p $(BIN)/python -e $(RUNTIME)
	@touch $@

.venv/dev: .venv/uv pyproject.toml
	$(UV) pip install -q -p $(BIN)/python -e $(EXTRAS) --group test --group agents --group lint
	@touch $@

.venv/slow: .venv/dev
	$(UV) pip install -q -p $(BIN)/python --group batch --group browser --group docs
	@touch $@

.venv/fuzz: .venv/dev
	$(UV) pip install -q -p $(BIN)/python --group fuzz
	@touch $@

.venv/docs: .venv/dev
	$(UV) pip install -q -p $(BIN)/python --group docs
	@touch $@

.venv-bench/ready: .venv/uv pyproject.toml bench/requirements.txt
	$(PYTHON) -m venv --without-pip .venv-bench
	$(UV) pip install -q -p .venv-bench/bin/python -e . -r bench/requirements.txt --overrides bench/overrides.txt
	@touch $@

.venv-oldest/dev: .venv/uv pyproject.toml
	$(PYTHON) -m venv --without-pip .venv-oldest
	$(UV) pip install -q -p $(OLDEST)/python --resolution lowest-direct -e $(EXTRAS) --group test
	@touch $@
