# Every way to run Sluice from its sources. `make` alone lists them.

DATA ?= data
PROJECT ?= projects/ecommerce
RATE ?= 50
ROUNDS ?= 25
FUZZ_SECONDS ?= 600
SLUICE := target/release/sluice
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help up down logs test lint format docs crash crash-lake long bench deny fuzz

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  settings: DATA=$(DATA) PROJECT=$(PROJECT) RATE=$(RATE) (simulated payments a second) ROUNDS=$(ROUNDS)"

up: ## builds and starts everything on the shipped project, with simulated payments; Ctrl-C stops
	cargo build --release -p sluice
	@mkdir -p $(DATA)
	@$(SLUICE) up --project $(PROJECT) --data $(DATA) --simulate $(RATE) 2>> $(DATA)/sluice.log \
		|| { code=$$?; tail -n 20 $(DATA)/sluice.log >&2; exit $$code; }

down: ## stops what `make up` started, from another terminal
	@$(SLUICE) down --data $(DATA)

logs: ## follows the log of what `make up` started
	@tail -n 50 -F $(DATA)/sluice.log

test: ## everything: unit, property, end to end with foreign clients, crash; installs its Python clients under target/
	tests/run.sh

lint: ## formatting, clippy without warnings, and the repository's own checks
	tests/lint.sh

format: ## formats all Rust
	cargo fmt --all

docs: ## writes docs/features.md and docs/rules.md from the shipped project, with figures of a simulated history
	cargo build --release -p sluice
	tests/setup.sh
	target/test-venv/bin/python tests/documents.py --sluice $(SLUICE)

crash: ## kill -9 at random moments under load, ROUNDS times; every accepted payment exactly once
	tests/run.sh build setup crash --rounds $(ROUNDS)

crash-lake: ## the same for the lake, 200 rounds: every record once in its table
	LAKE_ROUNDS=200 tests/run.sh build setup lake

long: ## the tests that take hours: many crash rounds, many more random histories, a million simulated payments
	PROPTEST_CASES=20000 tests/run.sh build setup unit
	tests/run.sh build setup crash --rounds 1000
	target/test-venv/bin/python tests/faults.py --hold 30 --trials 10 --write docs/faults.md
	target/test-venv/bin/python tests/broker_crash.py --rounds 25
	target/test-venv/bin/python tests/postgres.py --only away network crashes --away 60 --rounds 60 --count 1000000
	KAFKA_ROUNDS=25 tests/run.sh crash_kafka
	target/test-venv/bin/python tests/real_kafka.py --only away --away 30
	target/test-venv/bin/python tests/world.py --payments 1000000 --days 60 --feature-payments 200000

bench: ## speed, latency and memory, each beside a named baseline
	cargo build --release -p sluice
	tests/setup.sh
	target/test-venv/bin/python tests/services/postgres.py -- $(SLUICE) bench scoring windows stream latency predict start store shipped
	target/test-venv/bin/python tests/services/kafka.py -- $(SLUICE) bench broker
	target/test-venv/bin/python tests/services/kafka.py -- $(SLUICE) bench cluster

fuzz: ## the broker's fuzz targets under libFuzzer, FUZZ_SECONDS each (needs a nightly toolchain, and cargo-fuzz installed)
	@cargo fuzz --version > /dev/null 2>&1 || { echo "cargo-fuzz is missing; install it with: cargo install --locked cargo-fuzz"; exit 1; }
	cd crates/broker && for target in request records recovery; do \
		mkdir -p fuzz/target/corpus/$$target && \
		cargo +nightly fuzz run $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -rss_limit_mb=2048 -timeout=20 || exit 1; \
	done

deny: ## licences, advisories and bans by cargo-deny (needs it installed, and the network for its advisory database)
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is missing; install it with: cargo install --locked cargo-deny"; exit 1; }
	cargo deny check
