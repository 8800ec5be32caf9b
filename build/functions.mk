# `sam build` builds both functions with these targets, in a copy of src/. sam sets ARTIFACTS_DIR. The Makefile in the
# architecture's folder sets PLATFORM.

PROJECT := $(abspath $(dir $(realpath $(lastword $(MAKEFILE_LIST))))..)
PYTHON  := $(PROJECT)/.venv/bin/python

.PHONY: build-ReceiveFunction build-DeliverFunction
build-ReceiveFunction build-DeliverFunction:
	@test -x "$(PYTHON)" || { echo "build: the environments are missing; run 'make setup' first" >&2; exit 1; }
	@PYTHONPATH="$(PROJECT)/src:$(PROJECT)/tools" "$(PYTHON)" -m relayctl build --platform $(PLATFORM) --into "$(ARTIFACTS_DIR)"
