# Every target sets itself up. Needed on the machine: make, git and a Python from 3.10 on with pip.
#
#   make test PYTHON=python3.12       another Python than `python3`
#   make test ARGS="-k dates -x"      arguments for the program behind the target
#   make test TAP=cscart              one tap alone: codat, cscart or centra

PYTHON ?= python3
TAP ?=
ARGS ?=
IN := $(PYTHON) scripts/bootstrap.py
PYTEST := pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# The tests that `make test` leaves to `make test-all`: those that play with faults, Meltano or many
# processes at length, and those of the sandbox, which no user of a tap has.
SLOW := tests/chaos tests/e2e tests/fuzz tests/sandbox

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all sdk lint audit format docs bench chaos mutants clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Load a sandbox's shop data into output/demo.duckdb, through Meltano, and show it (TAP=codat)
	@$(IN) --group e2e -- python -u scripts/demo.py $(or $(TAP),codat) $(ARGS)

test: ## Run the quick tests, or those of the core and one tap (TAP=codat)
	$(IN) --group test --group e2e -- $(PYTEST) \
		$(if $(TAP),tests/core tests/$(TAP),$(addprefix --ignore=,$(SLOW))) $(ARGS)

test-all: ## Run all tests, the slow ones too
	$(IN) --group test --group e2e -- $(PYTEST) $(ARGS)

# The next target that sets itself up brings the locked SDK back.
sdk: ## Run the taps' tests on the newest Singer SDK, pre-releases included
	$(IN) --group test -- uv pip install --quiet --upgrade-package singer-sdk \
		'singer-sdk[msgspec,testing]>=0.55.0a1'
	.venv/bin/$(PYTEST) \
		tests/bad_input tests/centra tests/codat tests/core tests/cscart $(ARGS)

lint: ## Check style, types and safety
	$(IN) --group lint --group test --group e2e -- ruff check
	$(IN) --group lint --group test --group e2e -- ruff format --check
	$(IN) --group lint --group test --group e2e -- mypy
	$(IN) --group lint --group test --group e2e -- bandit --quiet --recursive \
		--configfile .ci/bandit.yaml commerce_sandbox commerce_taps scripts tap_* target_duckdb
	$(IN) --group lint --group test --group e2e -- zizmor --quiet --offline --persona pedantic .github

# Not part of `lint`: it asks the package index for advisories, which not every machine reaches and
# few mirrors answer, and one published today would fail a change that was right yesterday.
# `--strict` because a package nobody could look up would count as sound without it.
audit: ## Ask whether a locked package has a known vulnerability
	$(IN) --group audit -- uv export --quiet --frozen --all-extras --all-groups \
		--no-emit-workspace --no-header --output-file .tools/audited.txt
	$(IN) --group audit -- pip-audit --strict --disable-pip --require-hashes \
		--progress-spinner off --requirement .tools/audited.txt

format: ## Repair style as far as that can be done automatically
	$(IN) --group lint -- ruff check --fix
	$(IN) --group lint -- ruff format

docs: ## Write anew what is generated from the tap: settings, streams, meltano.yml
	$(IN) -- python scripts/generate_docs.py $(ARGS)

bench: ## Measure speed against a raw loop and against other tools
	$(IN) --group bench -- python -m benchmarks.run $(ONLY) $(ARGS)

chaos: ## Break everything that can break, SEEDS=20 times, and count what it costs
	@$(IN) --group test --group e2e -- env SEEDS=$(SEEDS) python -m scripts.chaos $(ARGS)

mutants: ## Break the product on purpose, fault by fault, and see that a test notices each
	@$(IN) --group test --group e2e -- python -m scripts.mutants $(ARGS)

clean: ## Remove everything that can be made again
	rm -rf .tools .venv .meltano .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
	find output -mindepth 1 ! -name .gitignore -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
