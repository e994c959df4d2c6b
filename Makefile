# Two commands for everyone: `make demo` and `make test`. Nothing else to set up but Python >= 3.11, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test fuzz fuzz-cli chaos families ptb image package bench-guard bench-alerts bench-run bench-emit bench-scan lint lock clean

demo: $(VENV)/.ready
	@$(BIN)/python -m bot.demo

test: $(VENV)/.ready lint
	@$(BIN)/python -m pytest -q -n 6 --dist worksteal

# Longer ones. ROUNDS says how often, ONLY which faults, JOBS how many at once: latencies are true with one.
chaos: $(VENV)/.ready
	@$(BIN)/python -m tests.chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(JOBS),--jobs $(JOBS))

# A million logs that nobody has seen, and near misses of every expression; `make fuzz SEED=7 COUNT=1000`.
fuzz: $(VENV)/.ready
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

# Every command with arguments and an environment that nobody would mean; the same SEED and COUNT.
fuzz-cli: $(VENV)/.ready
	@$(BIN)/python -m tests.fuzz.arguments $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

# Real clients of the Bot API under `logrules run`, those of Node.js, too; once they are here `make test` has them.
families: $(VENV)/.ready $(VENV)/clients/node_modules
	@$(BIN)/python -m pytest -q tests/e2e/test_families.py

$(VENV)/clients/node_modules: tests/data/clients/package-lock.json
	@mkdir -p $(VENV)/clients && cp tests/data/clients/package*.json $(VENV)/clients
	@cd $(VENV)/clients && npm ci --ignore-scripts --no-audit --no-fund --omit=optional
	@touch $@

# The guard and the reference bot with each python-telegram-bot that is promised; `make ptb PTB=21.5` for one.
PTB ?= 20.8 21.0.1 21.11.1 22.0 22.8
ptb: $(VENV)/.ready
	@for version in $(PTB); do \
	  test -e $(VENV)/ptb/$$version || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --target $(VENV)/ptb/$$version "python-telegram-bot==$$version" || exit 1; \
	  export PYTHONPATH=$(CURDIR)/$(VENV)/ptb/$$version; \
	  $(BIN)/python -c 'import telegram; print("python-telegram-bot", telegram.__version__)'; \
	  $(BIN)/python -m pytest -q -n 2 tests/e2e/test_guard.py tests/e2e/test_bot.py || exit 1; \
	done

# The image of the Dockerfile, built and run without a Docker engine. Needs root.
image: $(VENV)/.ready
	@$(BIN)/python -m tests.image

# Wheel and sdist into dist/, built apart from everything; the wheel is then tried with what the registry gives it.
package: $(VENV)/.ready
	@rm -rf dist && mkdir dist
	@$(BIN)/python -m hatchling build -d dist -t sdist >/dev/null 2>&1
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist dist/*.tar.gz
	@$(PYTHON) -m venv dist/alone && dist/alone/bin/pip install --quiet --disable-pip-version-check dist/*.whl
	@cd dist && alone/bin/logrules --version && alone/bin/logrules explain CONFLICT_409 >/dev/null && \
	  echo 'database is locked' | alone/bin/logrules scan - && alone/bin/logrules run -- true && \
	  if alone/bin/python -c 'import telegram' 2>/dev/null; then echo "telegram came along uninvited"; exit 1; fi
	@rm -rf dist/alone && ls -l dist

bench-guard: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.guard $(if $(ROUNDS),--rounds $(ROUNDS))

# What arrives of 200 events under each fault, and what a capture costs, beside the plain Sentry SDK.
bench-alerts: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.alerts $(if $(EVENTS),--events $(EVENTS)) $(if $(FAULT),--fault $(FAULT))

# What `logrules run` costs its command: start, delay of a line, a firehose, memory, each beside its floor.
bench-run: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.run $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(LINES),--lines $(LINES))

# What a line costs its caller, ours beside structlog, python-json-logger and loguru; LINES says how many.
bench-emit: $(VENV)/.ready
	@test -e $(VENV)/peers || $(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/peers \
	  structlog orjson python-json-logger || echo "structlog, orjson and python-json-logger cannot be installed: left out" >&2
	@PYTHONPATH=$(VENV)/peers $(BIN)/python -m benchmarks.emit $(if $(LINES),--lines $(LINES))

# What a scan costs, ours beside ripgrep, grep, syslog-ng, mtail and a loop of `re`; SIZE in MB, ONLY one corpus.
bench-scan: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.scan $(if $(SIZE),--size $(SIZE)) $(if $(ONLY),--only $(ONLY))

lint: $(VENV)/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "logrules needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Setting up $(VENV) (about a minute, once) ..." >&2
	@$(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# For maintainers: refreshes the pinned versions. Needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --quiet --extra test pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --quiet --extra telegram --extra zstd pyproject.toml -o requirements/run.txt
	printf 'hatchling>=1.27\nmsgspec>=0.19\n' | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --quiet - -o requirements/build.txt

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache dist
