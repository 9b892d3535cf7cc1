# Every target sets up what it needs. Required: make, git and Python 3.10 or newer with pip.
#
#   make test PYTHON=python3.12       another interpreter than `python3`
#   make test ARGS="-k dates -x"      arguments for the program that the target runs
#   make test TAP=cscart              one tap only: codat, cscart or centra

PYTHON ?= python3
TAP ?=
ARGS ?=
IN := $(PYTHON) scripts/bootstrap.py
PYTEST := pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Tests that only `make test-all` runs: long tests with faults, Meltano, built wheels or many processes,
# and the tests of the sandbox and of `make bench`, which users of a tap do not have.
SLOW := tests/benchmarks tests/chaos tests/e2e tests/fuzz tests/sandbox tests/test_packaging.py

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all sdk lint audit format docs bench chaos mutants clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Load a sandbox into output/demo.duckdb through Meltano and show the result (TAP=codat)
	@$(IN) --group e2e -- python -u scripts/demo.py $(or $(TAP),codat) $(ARGS)

test: ## Run the quick tests, or the tests of the core and one tap (TAP=codat)
	$(IN) --group test --group e2e -- $(PYTEST) \
		$(if $(TAP),tests/core tests/$(TAP),$(addprefix --ignore=,$(SLOW))) $(ARGS)

test-all: ## Run all tests, including the slow ones
	$(IN) --group test --group e2e -- $(PYTEST) $(ARGS)

# The next target that sets up the environment reinstalls the locked SDK.
sdk: ## Run the tests of the taps on the newest Singer SDK, including pre-releases
	$(IN) --group test -- uv pip install --quiet --upgrade-package singer-sdk \
		'singer-sdk[msgspec,testing]>=0.55.0a1'
	.venv/bin/$(PYTEST) \
		tests/bad_input tests/centra tests/codat tests/core tests/cscart $(ARGS)

lint: ## Check style, types and security
	$(IN) --group lint --group test --group e2e -- ruff check
	$(IN) --group lint --group test --group e2e -- ruff format --check
	$(IN) --group lint --group test --group e2e -- mypy
	$(IN) --group lint --group test --group e2e -- bandit --quiet --recursive \
		--configfile .ci/bandit.yaml commerce_sandbox commerce_taps scripts tap_* target_duckdb
	$(IN) --group lint --group test --group e2e -- zizmor --quiet --offline --persona pedantic .github

# Not part of `lint`: it requests advisories from the package index, which not every machine can reach
# and few mirrors provide, and an advisory published today would fail a change that passed yesterday.
# `--strict`, because a package without a lookup result would otherwise count as safe.
audit: ## Check the locked packages for known vulnerabilities
	$(IN) --group audit -- uv export --quiet --frozen --all-extras --all-groups \
		--no-emit-workspace --no-header --output-file .tools/audited.txt
	$(IN) --group audit -- pip-audit --strict --disable-pip --require-hashes \
		--progress-spinner off --requirement .tools/audited.txt

format: ## Correct style automatically
	$(IN) --group lint -- ruff check --fix-only
	$(IN) --group lint -- ruff format

docs: ## Update the generated parts of the documentation and of meltano.yml
	$(IN) -- python scripts/generate_docs.py $(ARGS)

bench: ## Measure speed in comparison with a raw loop and other tools
	$(IN) --group bench -- python -m benchmarks.run $(ONLY) $(ARGS)

chaos: ## Break networks, processes and disks, SEEDS=20 times, and count lost rows
	@$(IN) --group test --group e2e -- env SEEDS=$(SEEDS) python -m scripts.chaos $(ARGS)

mutants: ## Break the product on purpose, and check that a test fails for each fault
	@$(IN) --group test --group e2e -- python -m scripts.mutants $(ARGS)

clean: ## Remove everything that can be generated again
	rm -rf .tools .venv .meltano .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
	find output -mindepth 1 ! -name .gitignore -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
