# Two commands on a fresh machine: `make demo` and `make test`. An active virtual environment is used; else .venv is made.
SHELL := /bin/bash
PYTHON ?= python3
VENV := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),.venv)
PY := $(VENV)/bin/python
DEMO_DIR ?= demo

.PHONY: help install install-dev demo test test-slow soak lint bench lock clean
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# A stamp holds the checksum of the lock it was made from: unchanged locks install nothing.
define install_locked
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@want=$$(cat $(1) pyproject.toml | sha256sum | cut -c1-64); \
	if [ "$$(cat $(VENV)/.mtmc-$(2) 2>/dev/null)" != "$$want" ]; then \
	  echo "installing locked packages into $(VENV) (torch and its companions are about 4 GB, one to three minutes)"; \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
	  $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && echo $$want > $(VENV)/.mtmc-$(2); \
	fi
endef

install: ## environment with locked packages, project installed in place
	$(call install_locked,requirements/run.txt,run)
install-dev: ## the same with the test tools
	$(call install_locked,requirements/dev.txt,dev)

demo: install ## render a small camera network, run on it, score it
	@$(PY) -m mtmc.demo --dir $(DEMO_DIR)
test: install-dev ## default tests: no network, no GPU
	$(PY) -m pytest -q --durations=10
test-slow: install-dev ## the rest of the tests
	$(PY) -m pytest -q -m slow --durations=10
soak: install-dev ## thousands of files changed at random, then an hour of video: memory and handles must stay flat
	$(PY) -m tests.faults.fuzz
	$(PY) -m tests.faults.soak
lint: install-dev ## ruff and mypy
	$(PY) -m ruff check . && $(PY) -m mypy
lock: ## refresh the hashed locks (needs uv in the environment)
	$(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements/run.txt
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev -c requirements/run.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements/dev.txt
clean: ## what can be made again
	rm -rf $(DEMO_DIR) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
