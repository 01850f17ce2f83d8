# Everything that is done with a checkout. `make demo` and `make test` set up what they need by themselves.
.PHONY: help setup demo check test soak bench scale proto lock clean

python := .venv/bin/python
# The daemons need root: namespaces, mounts, cgroups.
root := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help: ## say what can be done here
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

setup: ## install what running Shoal on this machine needs
	@tools/setup.sh run

demo: setup ## a cluster of three nodes on this machine, and containers on it
	@$(root) .venv/bin/shoal lab demo

check: ## fast, without root: format, lint, types, import contracts, generated code, unit tests
	@tools/check.sh

test: ## set up, then every check and every test
	@tools/setup.sh test
	@tools/check.sh
	@$(root) tools/test.sh

soak: ## a campaign of faults for MINUTES (30), then kills, churn, fuzz and a guest; the same with SEED, or only some PARTS
	@tools/setup.sh soak
	@$(root) tools/soak.sh "$(or $(PARTS),campaign kills churn fuzz guest)" "$(or $(MINUTES),30)" $(SEED)

bench: ## measure beside Docker and Podman (minutes)
	@tools/setup.sh bench
	@$(root) $(python) -m bench

scale: ## AGENTS (2000) simulated agents on one leader for MINUTES (10), and a change of leader
	@tools/setup.sh test
	@$(root) $(python) -m bench.scale --agents $(or $(AGENTS),2000) --minutes $(or $(MINUTES),10)

proto: ## generate the code and the reference from the .proto files
	@proto/generate.sh
	@$(python) tools/api_reference.py

lock: ## resolve the Python dependencies anew
	@tools/lock.sh

clean: ## remove what was built here (a lab is ended with: shoal lab down)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
