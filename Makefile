# Two commands: `make run` starts a working gateway, `make test` checks everything CI checks.
# What is fetched lands in .local/, what is built in target/; both are ignored and safe to delete.

.PHONY: help setup run test test-setup docs bench evals train

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Fetch the pinned ONNX Runtime library into .local/onnxruntime
	@scripts/setup.sh

run:  ## Build and start the gateway on 127.0.0.1:4000 (ARGS="..." are passed to `crossover serve`)
	@scripts/run.sh $(ARGS)

test:  ## Everything .ci/run runs: format, lints, tests, docs, policies, examples, one eval
	@scripts/test.sh

test-setup: setup  ## Fetch what the tests drive the gateway with: OpenAI SDKs, Prometheus
	@scripts/test-tools.sh

docs:  ## Write docs/CONFIG.md, METRICS.md and API.md anew from the code
	@scripts/docs.sh

bench: setup  ## Whole-system benchmarks; writes target/bench/*.json
	@scripts/bench.sh $(ARGS)

evals:  ## When a model changed: record, calibrate, baselines, gate anew, asking only the local model
	@scripts/evals.sh

train:  ## How the shipped models were made
	@echo "The shipped models are made by training/; start with training/README.md."
