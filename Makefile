# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed
# Runs start processes that import this code again: let Python keep its bytecode even where a container says not to.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint clean

demo: $(STAMP)
	$(VENV)/bin/harness run --task legal-qa

test: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest
	$(VENV)/bin/pytest -m "(torch or realdata or slow) and not chaos and not remote and not browser"
	$(VENV)/bin/pytest -m chaos
	$(VENV)/bin/pytest -n 0 -m browser
	$(VENV)/bin/pytest -n 4 -m remote
	$(VENV)/bin/pytest -m keras

lint: $(STAMP)
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

# torch goes in first and pinned, so that nothing later can pull a CUDA build in its place.
$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[all,qlora,dev]'
	touch $@

clean:
	rm -rf $(VENV)
