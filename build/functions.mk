# What `sam build` makes of both functions. sam calls from a copy of src/ and gives ARTIFACTS_DIR; the
# Makefile that it called, in the folder named for the architecture, gives PLATFORM.

PROJECT := $(abspath $(dir $(realpath $(lastword $(MAKEFILE_LIST))))..)
PYTHON  := $(PROJECT)/.venv/bin/python

.PHONY: build-ReceiveFunction build-DeliverFunction
build-ReceiveFunction build-DeliverFunction:
	@test -x "$(PYTHON)" || { echo "build: the environments are missing; run 'make setup' first" >&2; exit 1; }
	@PYTHONPATH="$(PROJECT)/src:$(PROJECT)/tools" "$(PYTHON)" -m relayctl build --platform $(PLATFORM) --into "$(ARTIFACTS_DIR)"
