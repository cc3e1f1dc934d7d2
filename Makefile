# Two commands for a newcomer, each setting itself up in .venv:
#   make quickstart    pre-train, fine-tune, test and draw on a demo dataset
#   make test          the test suite; make test-all adds what takes minutes
# VENV=path uses another environment, PYTHON=python3.11 makes it with another Python.

VENV ?= .venv
# The first Python of a version that is supported.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
READY := $(VENV)/.mmgreen-ready
DEV := $(VENV)/.mmgreen-dev-ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c requirements/constraints.txt
# One worker a core and one thread a worker: two that share cores take five times as long.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
	--durations 20

.PHONY: quickstart test test-slow test-all gpu-check release release-model lint format docs judges wheel clean

quickstart: $(READY)
	@$(BIN)/python tools/quickstart.py

test: $(DEV)
	@$(PYTEST) -m 'not slow'

test-slow: $(DEV)
	@$(PYTEST) -m slow

test-all: test test-slow

# See docs/gpu.md.
gpu-check: $(DEV)
	@$(BIN)/python tests/gpu_check.py

# A small Swin that was pre-trained on photographs, for a release: its backbone, also as a folder of timm's layout with a model
# card, log and report; six to sixteen minutes on one core. IMAGENETTE is the folder of Imagenette with train/ and val/.
IMAGENETTE ?= data/imagenette
MODEL := work_dirs/release/greenmim_swin-nano_imagenette
release-model: $(READY)
	@$(BIN)/python tools/train.py configs/own_data/greenmim_swin-nano_b32-4k_own-data.py \
		--work-dir $(MODEL)/run --resume --cfg-options data_root=$(IMAGENETTE)/ \
		train_dataloader.dataset.data_prefix=train
	@mkdir -p $(MODEL)/asset dist
	@$(BIN)/python tools/converters/convert_checkpoint.py "$$(cat $(MODEL)/run/last_checkpoint)" \
		$(MODEL)/asset/backbone.pth
	@$(BIN)/python tools/converters/convert_checkpoint.py "$$(cat $(MODEL)/run/last_checkpoint)" $(MODEL)/asset --to timm
	@sed -i 's/^Say here which .*/Trained on the 9,469 training photographs of Imagenette (Apache-2.0), without labels, for 4,000 steps of 32 crops; Apache-2.0./' \
		$(MODEL)/asset/README.md
	@$(BIN)/python tools/analysis/coco_report.py $(MODEL)/run --out $(MODEL)/asset/report
	@cp $(MODEL)/run/*/*.log $(MODEL)/asset/
	@$(BIN)/python -m zipfile -c dist/greenmim_swin-nano_imagenette.zip $(MODEL)/asset/*
	@ls -l dist/greenmim_swin-nano_imagenette.zip

lint: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(DEV)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(DEV)
	@$(BIN)/python docs/rooms.py docs/images/rooms.svg
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'site/index.html opens in a browser; with its search by: python -m http.server --directory site'

# Other projects' exporters write the files of known truth that our readers are held to, in an
# environment of their own.
judges: $(DEV)
	@$(PYTHON) -m venv .venv-judges
	@.venv-judges/bin/python -m pip install --disable-pip-version-check -q -r requirements/judges.txt
	@QT_QPA_PLATFORM=offscreen .venv-judges/bin/python tests/judges/write.py tests/data/judges
	@$(BIN)/python tests/judges/prelabels.py write work_dirs/judged
	@QT_QPA_PLATFORM=offscreen .venv-judges/bin/python tests/judges/prelabels.py read work_dirs/judged

# See .ci/release.
release: $(DEV)
	@PYTHON=$(BIN)/python .ci/release

wheel: $(DEV)
	@$(BIN)/python -m build --wheel --no-isolation

$(READY): setup.py pyproject.toml $(wildcard requirements/*.txt)
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo 'error: no Python 3.10 to 3.13 found: install one, or pass PYTHON=path' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo 'error: cannot make a virtual environment: on Debian, apt install python3-venv' >&2; exit 1; }
	@echo 'Installing into $(VENV): most of it is PyTorch'
	$(PIP) -e .
	@# mmcv asks for opencv-python, whose window code needs libGL; of two OpenCVs the last one
	@# installed is imported, and this one needs nothing.
	$(PIP) --no-deps --force-reinstall opencv-python-headless
	@touch $(READY)

# What tests, style and documentation need besides.
$(DEV): $(READY)
	$(PIP) -e '.[tests,docs]'
	@touch $(DEV)

clean:
	rm -rf build dist site *.egg-info mmgreen/.mim .pytest_cache .ruff_cache .mypy_cache .hypothesis
