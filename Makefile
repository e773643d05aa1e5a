# `make run` and `make test` need Python 3.11 or later and nothing else. `make help` lists the targets.
SHELL := /bin/bash
IS_PYTHON := -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$name $(IS_PYTHON) && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED_RUN := $(VENV)/.installed-run
INSTALLED := $(VENV)/.installed-dev
DJADE := find strategy_config/templates -name "*.html" -print0 | xargs -0 $(BIN)/djade --target-version 5.2
NODE_INSTALLED := node_modules/.installed-lock
# With COVERAGE=1 `make test` measures coverage, and adds to earlier measurements. coverage-report checks the minimum.
MEASURED := $(if $(COVERAGE),--cov --cov-append --cov-report= --cov-fail-under=0)
POSTGRESQL_TESTS ?= tests/strategy_config tests/evolution tests/api tests/contract tests/integration tests/neighbours
FUZZ_EXAMPLES ?= 200
# If it is set, each of the many processes of `make run` and of the tests compiles all its imports: 6 s instead of 2.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test coverage coverage-report test-pythons test-core test-slow test-mongodb test-faults hostile soak test-postgresql check-deploy check check-scripts fmt fmt-scripts bench fuzz audit lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24
	@echo
	@echo '  make run FEED=replay FILE=day.jsonl.gz [SPEED=1|10|max] [LOOP=1]   or FEED=none'
	@echo '  make run FEED=live TRADING_SYMBOLS=BTCUSDT,ETHUSDT   trades on the real markets'
	@echo '  make run RESET_USERS=1   gives the demo users new passwords'
	@echo '  make run REDIS_URL=... NATS_URL=... DATABASE_URL=... (or MONGODB_URI=...) in place of the embedded servers'

# A copy of each lock is the stamp: a checkout that only changes the file's date installs nothing.
$(VENV)/.installed-%: requirements-%.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or later with venv is needed (Debian, Ubuntu: apt install python3-venv).'; exit 1; }
	@cmp -s $< $@ || $(PYTHON) -m embedded.install $(VENV) $<
	@cp $< $@

# Tests and tools are installed on top of the packages that `make run` needs.
$(INSTALLED): $(INSTALLED_RUN)

run: $(INSTALLED_RUN) ## Run the whole product here, with real servers and a simulated market (Ctrl-C ends it)
	@exec $(BIN)/python -m embedded.run

test: $(INSTALLED) ## Run the tests; check-deploy, test-mongodb, test-faults and test-slow have their own
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow" --durations 25 --ignore tests/deploy --ignore tests/faults $(MEASURED)

coverage: $(INSTALLED) ## Run the tests and report their coverage, child processes included (takes half as long again)
	$(BIN)/coverage erase
	$(MAKE) test COVERAGE=1
	$(MAKE) coverage-report

coverage-report: $(INSTALLED)
	$(BIN)/coverage report --skip-covered --sort cover

# `make test-core PYTHON=python3.13 VENV=var/python3.13` for one of them.
test-pythons: ## Run the tests of core and runtime on each newer Python that the machine has
	@for name in python3.12 python3.13 python3.14; do \
		[ $$name != "$(PYTHON)" ] && $$name $(IS_PYTHON) || { echo "$$name: not here, or used by the other targets"; continue; }; \
		$(MAKE) --no-print-directory test-core PYTHON=$$name VENV=var/$$name || exit 1; \
	done

# Limited to 8 GB per process: on Python 3.13 one was seen to take all memory.
test-core: $(INSTALLED)
	ulimit -v 8388608 && $(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow" tests/strategies tests/market tests/engine tests/config tests/runtime

test-slow: $(INSTALLED) ## Run the tests that are marked slow (except those of check-deploy)
	$(BIN)/python -m pytest -n 2 --dist loadscope -m slow --timeout 600 --ignore tests/deploy

# Everything that touches the database. The wire server is not a mongod: MONGODB_TEST_URI names your own replica set.
test-mongodb: $(INSTALLED) ## Run the site's tests on MongoDB (a wire server of PyPI, or MONGODB_TEST_URI=...)
	TEST_STORE=mongodb $(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow" --timeout 300 \
		tests/strategy_config tests/evolution tests/admin tests/api tests/contract tests/integration tests/neighbours

test-postgresql: $(INSTALLED) ## Run the site's tests on PostgreSQL (Debian's, or POSTGRES_TEST_URL=... with CREATEDB)
	TEST_STORE=postgresql $(BIN)/python -m embedded.postgresql \
		$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow" --timeout 300 $(POSTGRESQL_TESTS)

check-deploy: $(INSTALLED) ## Check Dockerfile, Compose file and k8s/ (kubectl renders; no container engine is needed)
	$(BIN)/python -m pytest -n 2 --dist loadscope tests/deploy

test-faults: $(INSTALLED) ## Kill, hang and restart the servers one after another, and check how the product reacts
	$(BIN)/python -m pytest -n 2 --dist loadfile --timeout 300 tests/faults

hostile: $(INSTALLED) ## Measure probes, login, reads and stops under 200 slow and 200 aborted connections of each kind
	$(BIN)/python -m pytest -s -q --timeout 300 tests/faults/test_hostile_http.py tests/faults/test_hostile_listeners.py

# SOAK_SECONDS=3600 for longer; a short form of it is part of test-faults.
soak: $(INSTALLED) ## Run the whole stack for ten minutes on an exchange that drops its connections every 20 s
	SOAK_SECONDS=$${SOAK_SECONDS:-600} SOAK_CUT_SECONDS=20 $(BIN)/python -m pytest -s tests/faults/test_soak.py

check: $(INSTALLED) ## Format, lint, types, migrations, import contracts, templates, scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive --severity-level medium --configfile pyproject.toml configsite strategy_config realtime_runtime strategy_core service_kit embedded
	DJANGO_SETTINGS_MODULE=configsite.settings.test $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/lint-imports
	$(DJADE) --check
	$(BIN)/djlint --lint --quiet strategy_config/templates
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-scripts; \
		else echo 'npm is not installed: `make check-scripts`, which CI runs, was skipped.'; fi

$(NODE_INSTALLED): package-lock.json
	@cmp -s $< $@ || npm ci --silent --ignore-scripts
	@cp $< $@

check-scripts: $(NODE_INSTALLED) ## Format and lint of scripts and styles (Biome; needs npm). Part of check where npm is installed
	node_modules/.bin/biome check --error-on-warnings

fmt: $(INSTALLED) ## Format, and fix what the linters can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(DJADE)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory fmt-scripts; fi

fmt-scripts: $(NODE_INSTALLED)
	node_modules/.bin/biome check --write

bench: $(INSTALLED) ## Measure, in interleaved runs with ratios
	$(BIN)/python -m benchmarks

fuzz: $(INSTALLED) ## Fuzz the whole HTTP API (FUZZ_EXAMPLES=200 an operation)
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -m fuzz --timeout 0

audit: $(INSTALLED) ## Look up known vulnerabilities of the locked requirements (needs PyPI's own JSON service)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv tool run --from pip-audit==2.10.1 pip-audit --requirement requirements.txt --require-hashes --disable-pip

lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock: $(INSTALLED) ## Recompile the locked requirements
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@for part in requirements requirements-run requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
			$$part.in -o $$part.txt >/dev/null || exit 1; \
	done

clean: ## Remove the installed packages and the files of earlier runs
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage node_modules
