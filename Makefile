# `make demo` and `make test` are all a newcomer needs: both set up .venv on first use.
# CPU-only torch is a much smaller download: name its index with TORCH_INDEX.

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := src tests tools benchmarks
OUT ?= out/demo

.PHONY: demo test soak check install format tree bench-quick clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/dynaxx demo --lens --out $(OUT)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# Hours: a thousand kills, hundreds of power cuts, and an hour of tiny stages that must not grow.
soak: $(READY)
	$(BIN)/python benchmarks/crash.py --json
	$(BIN)/python benchmarks/checkpoint.py --json
	$(BIN)/python benchmarks/soak.py --json --log out/soak.jsonl
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/train tests/cli

check: $(READY)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_layout.py

install: $(READY)

format: $(READY) tree
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

tree: $(READY)
	$(BIN)/python tools/tree.py

bench-quick: $(READY)
	@set -e; for bench in benchmarks/*.py; do $(BIN)/python $$bench --quick; done

clean:
	rm -rf $(VENV) out build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# torch first and pinned: it decides what everything after it must fit.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "Dynaxx needs Python 3.11 to 3.13; '$(PYTHON)' is another, or missing. Try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV): torch and diffusers, a few minutes, once"
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,text,emoji]'
	@touch $@
