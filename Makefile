PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TINY := samcli/assets/tiny

.PHONY: demo test test-fast check tiny clean

# One command on a fresh machine: set up, then caption the example pictures with the embedded model.
demo: $(VENV)/ready
	$(BIN)/sam caption examples/a.png examples/b.png --prompt "$$(cat examples/prompt.txt)"

# One command on a fresh machine: set up, then linter, formatter's check, types and all tests.
test: $(VENV)/ready check
	$(BIN)/python -m pytest --cov --cov-fail-under=90

# The core without what starts browsers, Java, Ray or several processes.
test-fast: $(VENV)/ready
	$(BIN)/python -m pytest -m "not slow"

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch first and alone, so that no later requirement picks another build of it.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# The embedded model, made anew by its own recipes and put in its place (about two and a half hours on two cores); its
# card, README.md, states figures that people have looked at, so it is theirs to change.
tiny: $(VENV)/ready
	$(BIN)/sam train tiny/base --out runs/tiny-base --resume
	mkdir -p $(TINY)
	find $(TINY) -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -r {} +
	cp -r runs/tiny-base/model/. $(TINY)/
	$(BIN)/sam train tiny/sam --out runs/tiny-sam --resume
	cp -r runs/tiny-sam/adapter $(TINY)/adapter

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage
