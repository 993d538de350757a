# The commands of this project. Each sets up what it needs; `make demo` and `make test` work in a fresh clone.
UV := hack/uv
RUN := $(UV) run --no-sync
# Two pytest workers; the tests of one file stay with one of them.
TWO_WORKERS := -n 2 --dist loadfile

.PHONY: help demo test unit e2e e2e-kube e2e-node lint format generate soak images bench bench-runtime clean prerequisites control-plane everything

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

prerequisites:
	@hack/check-prerequisites

control-plane:
	@$(UV) sync --quiet --group dev --inexact

everything: prerequisites
	@hack/install-runtime

demo: everything  ## From nothing to a Workspace that answers, on this machine
	@$(RUN) kaito demo

test: everything  ## Unit and conformance tests, then the end-to-end tests on the embedded cluster
	@mkdir -p build && rm -f build/counts
	$(RUN) pytest $(TWO_WORKERS) --counts build/counts tests/unit tests/conformance
	$(RUN) pytest --counts build/counts tests/e2e

unit: control-plane  ## Unit tests alone
	$(RUN) pytest $(TWO_WORKERS) tests/unit

e2e: everything  ## End-to-end tests alone (real kubectl, HTTP, the openai client)
	$(RUN) pytest tests/e2e

e2e-kube: everything  ## Conformance and end-to-end tests on a real control plane (built once, in the user's cache)
	$(RUN) python hack/kube/control_plane.py --dir build/kube -- \
		sh -c 'exec pytest tests/conformance tests/e2e --ignore tests/e2e/runtime --kubeconfig "$$KUBECONFIG"'

e2e-node: control-plane  ## The image and manifests in a cluster whose nodes run containers ($$KUBECONFIG; see tests/e2e_node/conftest.py)
	@[ -n "$$KUBECONFIG" ] || { echo "make e2e-node: KUBECONFIG names no cluster; tests/e2e_node/conftest.py says what it may be" >&2; exit 1; }
	@mkdir -p build && ARCHIVE=build/kaito-image.tar images/build
	$(RUN) pytest tests/e2e_node

images:  ## The control plane's image, with docker or buildah (BASE_IMAGE: a base of your own; ARCHIVE: also a file)
	@images/build

soak: everything  ## The long form of what tests run in short: every fault at every moment, killed processes
	$(RUN) pytest -m soak tests/unit tests/e2e

bench: control-plane  ## kaito.core beside kopf and controller-runtime (ROWS="noop bulk" and ROUNDS=1 for a part; bench/README.md)
	@$(UV) sync --quiet --group dev --group bench --inexact
	$(RUN) python -m bench --rounds $(or $(ROUNDS),5) --rows $(ROWS)

bench-runtime: $(if $(filter gpu,$(DEVICE)),control-plane,everything)  ## The runtime beside plain vLLM (ROWS="cost-tiny start" and ROUNDS=1 for a part; bench/README.md)
	$(RUN) python -m bench.runtime --rounds $(or $(ROUNDS),4) --rows $(ROWS) $(if $(DEVICE),--device $(DEVICE))

lint: control-plane  ## ruff, mypy --strict, import-linter, drift of generated files
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) mypy --strict --config-file= examples/core
	$(RUN) lint-imports --no-cache
	$(RUN) kaito crds --check manifests/crds

format: control-plane  ## Reformat and fix what can be fixed
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

generate: control-plane  ## Write the generated files (CRDs) anew
	$(RUN) kaito crds --output manifests/crds

clean:  ## Remove what make made here
	rm -rf .venv .uv build .mypy_cache .ruff_cache .pytest_cache .hypothesis
