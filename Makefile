# Each target does all the set-up that it needs; a set-up that is up to date is skipped.
#
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
#
# takes PyTorch's CPU build; without TORCH_INDEX, pip's own configuration decides, which on Linux
# means the CUDA build and several GB of CUDA packages.

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# Changes with whatever the installed packages depend on, and only then.
KEY := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
STAMP := $(VENV)/set-up-$(KEY)

# Waiting OpenMP threads that spin slow PyTorch down tenfold where other programs want the cores too.
export OMP_WAIT_POLICY ?= passive
# Tests begin a few hundred processes, each of which would compile all our modules: a quarter of its time.
unexport PYTHONDONTWRITEBYTECODE

# What `benchmarks/device.py` takes along to a machine with a GPU, torch and no network; Python and folder of there.
DEVICE_PYTHON ?= 3.12
DEVICE_WHEELS ?= .device-wheels
DEVICE_PACKAGES = $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
DEVICE_PLATFORMS := $(foreach glibc,2014 _2_17 _2_24 _2_26 _2_27 _2_28 _2_31 _2_34 1,--platform manylinux$(glibc)_x86_64)
DEVICE_MEGABYTES := 60

.PHONY: help setup demo zoo test lint lint-types lint-imports lint-style parity mutations device-wheels reference golden clean

help:
	@echo "make demo       train bert_tiny in PyTorch and TensorFlow, and compare the curves"
	@echo "make test       everything that CI checks"
	@echo "make setup      only the set-up, into $(VENV)"
	@echo "make lint       ruff, mypy and import-linter"
	@echo "make parity     what make test draws a part of, all of it; for one spec: zoo parity --spec bert_tiny"
	@echo "make mutations  plant defects in the source, and say what parity, or else all tests, make of each: hours"
	@echo "make zoo        train every small spec in both frameworks, and write what they learn to docs/zoo.md"
	@echo "make device-wheels  what benchmarks/device.py needs on a machine without a network, into $(DEVICE_WHEELS)"
	@echo "make reference  write docs/reference.md and docs/models.md from the code"
	@echo "make golden     rewrite the golden files, where the meaning was changed on purpose"
	@echo "make clean      delete $(VENV) and all caches; runs/ stays"

setup: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name another: make setup PYTHON=python3.12"; exit 3; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(INDEX) -c constraints.txt -e '.[dev]'
	rm -f $(VENV)/set-up-*
	touch $@

demo: $(STAMP)
	$(BIN)/zoo demo

zoo: $(STAMP)
	$(BIN)/python benchmarks/zoo.py --write docs/zoo.md

# Side by side; with a make that can (4.0), what each says in one piece.
lint: $(STAMP)
	@$(MAKE) --no-print-directory --keep-going -j 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) \
		lint-types lint-imports lint-style

lint-types:
	$(BIN)/mypy

lint-imports:
	$(BIN)/lint-imports

lint-style:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# One worker a test file (loadfile): a file's tests share what they import and build. In the order of tests/conftest.py,
# the longest files first; by the number of tests, as xdist would have it, they would come late, and one worker be idle.
test: lint
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

parity: $(STAMP)
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist load --all-cases $(PYTEST_ARGS) tests/parity/test_cases.py \
		tests/parity/test_suite.py::test_shipped_specs_that_hold_whatever_ships_agree_in_training_and_drawn_ones_at_every_level \
		tests/parity/test_suite.py::test_other_shipped_specs_agree_at_one_point_in_time_and_a_drawn_one_at_every_level \
		tests/parity/test_golden.py::test_the_first_losses_are_those_of_the_other_framework_too

mutations: $(STAMP)
	$(BIN)/python tests/parity/mutations.py --all-tests --write docs/mutations.md

device-wheels: $(STAMP)
	rm -rf $(DEVICE_WHEELS)
	$(BIN)/python -m pip download --quiet --only-binary :all: --implementation cp --python-version $(DEVICE_PYTHON) \
		$(DEVICE_PLATFORMS) -c constraints.txt -d $(DEVICE_WHEELS) $(DEVICE_PACKAGES)
	@size=$$(du -sm $(DEVICE_WHEELS) | cut -f 1); echo "$$size MB in $(DEVICE_WHEELS)"; \
		test $$size -lt $(DEVICE_MEGABYTES) || { echo "that is more than $(DEVICE_MEGABYTES) MB"; exit 1; }

reference: $(STAMP)
	$(BIN)/zoo schema --markdown > docs/reference.md
	$(BIN)/zoo list --markdown > docs/models.md

golden: $(STAMP)
	$(BIN)/python tests/support/golden.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
