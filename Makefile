# Everything a developer or a curious person types. Each target sets up what it needs, once.
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench bench-links protocol setup lock format clean
PYTHON := .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST))

demo: ## set up and start Puente with everything built in, at http://localhost:8080/demo
	@tools/setup-python runtime
	@tools/setup-web
	@exec .venv/bin/puente demo

setup: ## all that tests, lint and development need
	@tools/setup-tests
	@tools/setup-python dev
	@tools/setup-web
	@if [ -f tests/e2e/package-lock.json ]; then tools/setup-e2e; fi

test: setup ## the whole test suite; PYTEST="tests/media -k rtp" runs a part of the Python one
	@[ -n "$(PYTEST)" ] || tools/test-web
	@$(PYTHON) -m pytest $(PYTEST)

lint: ## style, types, architecture, the protocol's generated files, the Dockerfile
	@tools/setup-python dev
	@tools/setup-web packages
	@tools/lint

bench: ## the benchmarks, as tables with ratios
	@tools/setup-tests bench
	@tools/setup-python dev
	@$(PYTHON) -m bench

bench-links: ## calls on bad links beside Janus, as root: all cells (LINKS=edge-2g,sat-256k SEEDS=3 for some), docs/links.md
	@tools/setup-tests links
	@tools/setup-python bench
	@tools/setup-web
	@$(PYTHON) -m bench.links table $(if $(LINKS),--links $(LINKS)) --seeds $(or $(SEEDS),1); \
		status=$$?; [ $$status = 2 ] || $(PYTHON) -m bench.links report; exit $$status

protocol: ## write docs/protocol.md and web/src/protocol.ts anew from signaling/protocol.py
	@tools/setup-python dev
	@$(PYTHON) -m signaling.describe

lock: ## resolve the versions of pyproject.toml anew into the lock files (add UPGRADE=--upgrade for newer ones)
	@tools/lock $(UPGRADE)

format: ## put Python sources in the usual form
	@tools/setup-python dev
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format --quiet .

clean: ## remove what was built and installed here, and the demo's data
	rm -rf .venv web/dist web/node_modules tests/e2e/node_modules var bench/results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
