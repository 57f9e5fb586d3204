# Herald's commands. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run mail test screenshots faults load build-tests build lint lint-tools packages packages-test clean-data
ARGS ?=
SECONDS ?= 600
SEED ?= 1
OLD_BIN_DIR ?=
QUOTAS ?= 1
LOAD ?= --directory target/load
PYTHON := /usr/bin/python3 -B
# Most tests wait: for conditions, and system tests for their turn, which is what bounds those (tests/src/options.rs).
export RUST_TEST_THREADS ?= 12

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Starts everything on this machine: private servers, demo data, a mailbox; Ctrl-C stops it
	@deploy/run

mail: ## Shows the newest mail of the running demo's mailbox
	@$(PYTHON) deploy/supervise mail

# With ARGS only those Rust tests run, for instance: make test ARGS="retry -- --nocapture"
test: packages-test build-tests ## Runs all tests with fresh private servers (ARGS="..." goes to cargo test)
	deploy/run with-servers cargo test --workspace $(ARGS)
	$(if $(ARGS),,$(PYTHON) -m unittest discover -s deploy/tests)

screenshots: packages-test build-tests ## Takes the pictures of the recipient's page in docs/images anew
	SCREENSHOTS=docs/images deploy/run with-servers cargo test -p herald-tests --test it browser

# A short run is part of `make test`. OLD_BIN_DIR: the programs of another build, run side by side with this one.
faults: packages build-tests ## Breaks everything under load for SECONDS=600 by SEED=1 and checks that nothing is lost
	FAULTS_SECONDS=$(SECONDS) FAULTS_SEED=$(SEED) OLD_BIN_DIR=$(OLD_BIN_DIR) QUOTAS=$(QUOTAS) \
	  cargo test -p herald-tests --test faults -- --nocapture every_promise_is_kept

# Measures the Herald that `make run` has started, or else starts one for the time of it. LOAD: arguments of `report`.
load: packages ## Measures everything in short form beside its floors and prints one table (some 6 minutes)
	@deploy/load $(LOAD)

# The system tests start the programs themselves, which `cargo test` alone would not build.
build-tests: ## Builds the tests and, for them, the programs (dev profile)
	cargo build --workspace --bins --tests

build: ## Builds the three programs (release)
	cargo build --release --bins -p herald-api -p herald-dispatcher -p herald-worker

lint: lint-tools ## Formatting, clippy and documentation; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

lint-tools:
	@for tool in fmt clippy; do cargo $$tool --version >/dev/null 2>&1 || { \
	  echo "! cargo $$tool is missing. Install it: rustup component add rustfmt clippy" >&2; exit 1; }; done

packages: ## Installs the Debian packages that are missing (as root); starts no server
	@deploy/run packages

packages-test: ## The same, and what only tests need: a browser, Python environments
	@deploy/run packages-test

clean-data: ## Removes the data of make run and make test (.herald)
	@$(PYTHON) deploy/supervise clean-data
