# Every target sets up what it needs in .venv, once: the second time nothing is installed and no network is needed.
#   make demo   the whole job for one clip: train, evaluate, film     (CLIP=cartwheel MINUTES=10 SEED=0)
#   make test   the tests; MIMIC_MOCAP=DIR names a folder of real clips, without it some are skipped
#   make check  lint, format and types          make bench  speed of the simulation
#   make fuzz   a hundred thousand garbled files for each reader     (FORMATS="bvh preset" COUNT=100000; about 2 minutes each)
#   make kill   a thousand kills of processes that save, pack and export     (COUNT=250 of each of four; about 4 minutes)
#   make vendor  rebuild what the exported pages are made of from npm (node and a network)
#   make clean  remove .venv and caches, keep what has been trained
CLIP ?= cartwheel
MINUTES ?= 10
SEED ?= 0
# Test processes; each takes about a GB.
WORKERS ?= auto
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
# 3.11 first: pybullet, which has the humanoid clips and a renderer in it, has no wheels past that.
CANDIDATES := python3.11 python3 python3.12 python3.13 python3.14 python

FORMATS ?=
COUNT ?=

.PHONY: help demo test check fuzz kill bench setup install clean vendor web-tools
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

demo: setup
	$(BIN)/python run_mimic.py --clip $(CLIP) --minutes $(MINUTES) --seed $(SEED)

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: setup
	$(BIN)/python -m tests.fuzz $(FORMATS) $(COUNT:%=--count %)

kill: setup
	$(BIN)/python -m tests.reliability.kill_writes $(COUNT:%=--count %)

bench: setup
	$(BIN)/python run_mimic.py bench sim --character humanoid
	$(BIN)/python run_mimic.py bench sim --character dog

# Pinned in web/package.json; no lock file, for it would name a registry. The built files' hashes are in vendor.json.
web-tools:
	cd web && npm install --no-package-lock --no-audit --no-fund --silent

vendor: web-tools
	cd web && node build.mjs

# The copy of the lock in .venv is written last, so it says: this much is installed, to the end.
setup:
	@cmp -s $(LOCK) $(VENV)/$(LOCK) && $(BIN)/python -c '' 2>/dev/null || $(MAKE) --no-print-directory install

install:
	@python=$(PYTHON); for each in $(CANDIDATES); do \
	  [ -n "$$python" ] && break; \
	  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$$each; \
	done; \
	if ! $${python:-false} -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "make: Python 3.11 or later is needed; name yours with make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "setting up $(VENV) with $$($$python --version); this takes a few minutes, once"; \
	rm -f $(VENV)/$(LOCK) && $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(LOCK)
	@cp $(LOCK) $(VENV)/$(LOCK)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
