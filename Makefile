# make demo      camera and node in processes of their own; CAMERA=0 or CAMERA=clip.mp4 chooses the source
# make test      lint, types, import contracts, unit and ROS tests (minutes); TESTS=test/unit/test_tracking.py for some
#                WORKERS=2 processes share the tests, with 0 they run in one; default: one process a core
# make test-all  everything else: workspace builds, trainings, faults, soak and fuzzing in short
# make test-aarch64   command line and unit tests of the runtime for aarch64, emulated on Debian (20 minutes)
# make bench     speed on this machine, beside other packages, and which faces are found (40 minutes)
#                YUNET=face_detection_yunet_2023mar.onnx adds YuNet and DeepFace, BENCH='--part stages' runs a part
#                BENCH=--avx2 measures as on a processor without AVX-512, VNNI and AMX
#                BOXES='faces.xml wider.txt' (dlib, WIDER FACE) and EMPTY=folder: your own pictures with and without faces
#                EXPRESSIONS=folder: face crops in a folder for each label, to show how they are read when turned
# make faults    kills, stalls, clock jumps and the like, counted (docs/lab/reliability.md)
# make fuzz      damaged and forged input (MINUTES=10 for less)
# make soak      35 minutes at 30 Hz: does memory, threads or handles grow?
# make docs      the generated parts of the documents, from the code and docs/lab/records
# make setup     .venv, ROS 2 from wheels where none is sourced, the built packages; then: source env.sh
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.PHONY: demo test test-all test-aarch64 bench faults fuzz soak setup docs clean
CAMERA ?= portrait
SECONDS_TO_LISTEN ?= 6
TESTS ?= test
PYTEST ?= --durations=10
WORKERS ?= auto
BOXES ?= $(wildcard ../shared/data/detection/*_with_face_landmarks.xml)
EMPTY ?=
EXPRESSIONS ?=
MEDIA ?= $(wildcard ../shared/data/media)
YUNET ?= $(wildcard ../shared/data/yunet/face_detection_yunet_2023mar.onnx)

setup:
	@bootstrap/set_up.sh

demo: setup
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	emotion_demo --camera '$(CAMERA)' --seconds $(SECONDS_TO_LISTEN) --out demo

test:
	@bootstrap/set_up.sh --tests
	@source env.sh && export PYTHONPATH=.:test:training:$$PYTHONPATH && \
	ruff check . && ruff format --check . && codespell && mypy && lint-imports --no-cache && \
	python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow and not stress' $(PYTEST) $(TESTS)

test-all:
	@bootstrap/set_up.sh --tests
	@source env.sh && python -m pytest -n $(WORKERS) --dist loadfile -m 'slow or stress' $(PYTEST) $(TESTS)

test-aarch64:
	@bootstrap/test_aarch64.sh

bench: setup
	@benchmarks/set_up.sh
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	python -m benchmarks $(if $(YUNET),--yunet '$(YUNET)') $(if $(MEDIA),--media '$(MEDIA)') \
	$(foreach file,$(BOXES),--boxes '$(file)') $(foreach folder,$(EMPTY),--empty '$(folder)') \
	$(if $(EXPRESSIONS),--expressions '$(EXPRESSIONS)') $(BENCH)

faults:
	@bootstrap/set_up.sh --tests
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	PYTHONPATH=test:$$PYTHONPATH python -m stress.faults $(FAULTS)
	@source env.sh && PYTHONPATH=.:test:$$PYTHONPATH python docs/update.py

fuzz:
	@bootstrap/set_up.sh --tests
	@source env.sh && PYTHONPATH=test:$$PYTHONPATH python -m fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(FUZZ)
	@source env.sh && PYTHONPATH=.:test:$$PYTHONPATH python docs/update.py

soak:
	@bootstrap/set_up.sh --tests
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	PYTHONPATH=test:$$PYTHONPATH python -m stress.soak $(SOAK)
	@source env.sh && PYTHONPATH=.:test:$$PYTHONPATH python docs/update.py

docs:
	@bootstrap/set_up.sh --tests
	@source env.sh && PYTHONPATH=.:test:$$PYTHONPATH python docs/update.py

clean:
	rm -rf .venv .venv-peers build install log demo fuzz benchmarks/out
