# make demo     the node on real input, in processes of its own; CAMERA=0 or CAMERA=clip.mp4 chooses it
# make test     everything the project checks
# make test-all  the rest: builds, trainings, faults, soak and fuzzing in short (tens of minutes)
# make bench    how fast it is here, beside the peers (ten minutes; YUNET=face_detection_yunet_2023mar.onnx adds YuNet and DeepFace)
# make faults   processes killed, disks full, clocks that jump and the like: what is lost (twelve minutes; docs/lab/reliability.md)
# make fuzz     broken and forged pictures, messages and recordings for more than an hour (MINUTES=10 for less)
# make soak     35 minutes at 30 Hz with people coming and going: does anything grow (docs/lab/reliability.md)
# make docs     the generated parts of the documents, from the code and from docs/lab/records
# make setup    only what both need: .venv, ROS 2, the built packages (then: source env.sh)
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.PHONY: demo test test-all bench faults fuzz soak setup docs clean
CAMERA ?= portrait
SECONDS_TO_LISTEN ?= 6
TESTS ?= test
MEDIA ?= $(wildcard ../shared/data/media)
YUNET ?= $(wildcard ../shared/data/yunet/face_detection_yunet_2023mar.onnx)

setup:
	@bootstrap/set_up.sh

demo: setup
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	python -m emotion_perception.ros.demo --camera '$(CAMERA)' --seconds $(SECONDS_TO_LISTEN) --out demo

test:
	@bootstrap/set_up.sh --tests
	@source env.sh && ruff check . && ruff format --check . && mypy && \
	python -m pytest -m 'not slow and not stress' $(TESTS)

test-all:
	@bootstrap/set_up.sh --tests
	@source env.sh && python -m pytest -m 'slow or stress' $(TESTS)

bench: setup
	@benchmarks/set_up.sh
	@source env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && \
	python -m benchmarks $(if $(YUNET),--yunet '$(YUNET)') $(if $(MEDIA),--media '$(MEDIA)') $(BENCH)

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
