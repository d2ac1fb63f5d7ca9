# hybrid-mcp: `make demo` to hear it, `make test` to check it. Needs Python >= 3.11, nothing else.
PYTHON ?= python3
VENV   := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: install test-env models demo test quick no-model check conformance bench lint lock clean
install: $(VENV)/.installed
test-env: $(VENV)/.installed-test

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed / Python 3.11 以上が必要です")'
	$(PYTHON) -m venv $(VENV)

# Hatchling, which builds the package itself, is in the lock: nothing is fetched without a hash.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	$(PIP) install --quiet --require-hashes -r requirements-test.lock
	@touch $@

models: install
	$(BIN)/hybrid-mcp models fetch

demo: install
	$(BIN)/hybrid-mcp demo

# A process for each core, four at most: each may hold Whisper and llama.cpp, a gigabyte and a half together.
EACH_CORE := --numprocesses=logical --maxprocesses=4 --dist=worksteal

test: test-env models lint
	$(BIN)/python -m pytest $(EACH_CORE)

# Everything that needs no model: under a minute. Types are checked on one core while tests begin on the other.
quick: test-env
	@$(MAKE) --no-print-directory --jobs=2 lint no-model
no-model: test-env
	$(BIN)/python -m pytest $(EACH_CORE) -m "not slow"

# Programs of others against ours: the official suite, MCP Inspector, the TypeScript client. They run on node;
# without npm they are skipped, except in CI.
OTHERS := tests/conformance
$(OTHERS)/node_modules/.installed: $(OTHERS)/package-lock.json
	@if command -v npm >/dev/null; then \
		cd $(OTHERS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	fi

check: test-env models $(OTHERS)/node_modules/.installed
	$(BIN)/python -m pytest $(OTHERS)

# The official suite alone.
conformance: test-env $(OTHERS)/node_modules/.installed
	$(BIN)/python -m pytest $(OTHERS)/test_official_suite.py

lint: test-env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Beside a bare server of the SDK, and beside FastMCP in an environment of its own, where that can be installed.
BENCH := benchmarks/.venv
$(BENCH)/.installed: requirements-bench.lock
	$(PYTHON) -m venv $(BENCH)
	-$(subst $(VENV),$(BENCH),$(PIP)) install --quiet --require-hashes -r requirements-bench.lock && touch $@

bench: models $(BENCH)/.installed
	$(BIN)/python benchmarks/protocol.py

# Lock files name hashes, never addresses.
UV := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
      --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
lock: test-env
	$(PIP) install --quiet uv
	$(UV) --extra build pyproject.toml --output-file requirements.lock
	$(UV) benchmarks/requirements.in --output-file requirements-bench.lock
	$(UV) --extra build --extra test pyproject.toml --output-file requirements-test.lock

clean:
	rm -rf $(VENV) $(BENCH) $(OTHERS)/node_modules .pytest_cache .mypy_cache .ruff_cache
