# Maskline. `make run` starts everything locally, `make test` is what must pass.

.DEFAULT_GOAL := help
SAM := .venv/bin/sam
SAM_READY := .venv/.requirements-installed
CLIENT := clients/js
CLIENT_READY := $(CLIENT)/node_modules/.lock-installed
DEMO := clients/demo
TAG := clients/tag
TAG_READY := $(TAG)/node_modules/.package-lock.json

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: build-dev demo-apps ## Start the whole stack on this machine, with demo data
	@exec target/debug/maskline-local

.PHONY: call
call: ## Place a visitor's call against the running stack; ARGS="--owner busy" and the like
	@cargo build --quiet --workspace --bin call --locked && target/debug/call $(ARGS)

.PHONY: demo-call
demo-call: ## Play an in-app call against the running stack; ARGS="--ending reject" and the like
	@cargo build --quiet --workspace --bin demo-call --locked && target/debug/demo-call $(ARGS)

.PHONY: test
test: format lint build-dev tag-script-test unit-and-end-to-end client browser template ## Everything that must pass

.PHONY: format
format:
	cargo fmt --all --check

.PHONY: lint
lint: tag-script
	cargo clippy --workspace --all-targets --locked -- -D warnings

# The tag page's script is part of the function that serves it.

.PHONY: tag-script
tag-script: $(TAG)/dist/tag.js.gz ## Build the tag page's script, which cargo needs

$(TAG)/dist/tag.js.gz: $(TAG_READY) $(wildcard $(TAG)/src/* $(TAG)/scripts/* clients/js/src/*.ts)
	npm run --silent build --prefix $(TAG)

$(TAG_READY): $(TAG)/package.json $(TAG)/package-lock.json
	npm ci --prefix $(TAG) --no-audit --no-fund
	@touch $@

.PHONY: tag-script-test
tag-script-test: $(TAG_READY)
	npm run --silent typecheck --prefix $(TAG)
	npm run --silent test --prefix $(TAG)

# The end-to-end tests run the functions' own binaries, so these are built first.
.PHONY: build-dev
build-dev: tag-script
	cargo build --workspace --bins --locked

.PHONY: unit-and-end-to-end
unit-and-end-to-end: build-dev turn-server
	cargo test --workspace --locked

# Its tests hold calls through the functions' own binaries.
.PHONY: client
client: $(CLIENT_READY) build-dev ## Check the client package: types, tests, size
	npm run --silent --prefix $(CLIENT) typecheck
	npm run --silent --prefix $(CLIENT) test
	npm run --silent --prefix $(CLIENT) size

$(CLIENT_READY): $(CLIENT)/package-lock.json
	npm ci --prefix $(CLIENT) --no-audit --no-fund
	@touch $@

# coturn, for the test that credentials hold where they are meant to.
.PHONY: turn-server
turn-server:
	@command -v turnserver >/dev/null && command -v turnutils_uclient >/dev/null && exit 0; \
	root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq coturn || { \
		echo "The tests need coturn (turnserver and turnutils_uclient), and apt-get cannot install it: please do." >&2; \
		exit 1; \
	}

.PHONY: template
template: $(SAM_READY) ## Check template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint --template template.yaml

$(SAM_READY): infra/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement infra/requirements.txt
	@touch $@

CLIENT_BUILT := $(CLIENT)/dist/.built
# The package is packed and copied in, so it is installed again when it has changed.
DEMO_INSTALLED := $(DEMO)/node_modules/.installed

.PHONY: demo-apps
demo-apps: $(DEMO)/dist/index.html ## Build the demo apps that `make run` serves at /demo

$(CLIENT_BUILT): $(CLIENT_READY) $(CLIENT)/tsconfig.json $(CLIENT)/tsconfig.build.json $(shell find $(CLIENT)/src -type f)
	npm run --silent build --prefix $(CLIENT)
	@touch $@

$(DEMO_INSTALLED): $(DEMO)/package.json $(DEMO)/package-lock.json $(CLIENT_BUILT)
	npm ci --prefix $(DEMO) --no-audit --no-fund
	@touch $@

$(DEMO)/dist/index.html: $(DEMO_INSTALLED) $(DEMO)/build.mjs $(DEMO)/tsconfig.json $(shell find $(DEMO)/src -type f)
	npm run --silent typecheck --prefix $(DEMO)
	npm run --silent build --prefix $(DEMO)
	@touch $@

BROWSER := tests/browser
BROWSER_INSTALLED := $(BROWSER)/node_modules/.package-lock.json

.PHONY: browser
browser: build-dev demo-apps turn-server chromium $(BROWSER_INSTALLED) ## Calls between real browsers; screenshots and logs in target/browser
	npm run --silent build --prefix $(BROWSER)
	npm run --silent test --prefix $(BROWSER)

$(BROWSER_INSTALLED): $(BROWSER)/package.json $(BROWSER)/package-lock.json
	npm ci --prefix $(BROWSER) --no-audit --no-fund
	@touch $@

# Debian's, or another one that CHROMIUM names.
.PHONY: chromium
chromium:
	@command -v "$${CHROMIUM:-/usr/bin/chromium}" >/dev/null && exit 0; \
	root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium || { \
		echo "The tests need Chromium, and apt-get cannot install it: please do, and name it in CHROMIUM." >&2; \
		exit 1; \
	}

FUNCTIONS := $(notdir $(wildcard functions/*))
BENCH_NODE := infra/bench/node

# Two builds, because built together the bench's features would leak into the functions.
.PHONY: bench
bench: tag-script $(BENCH_NODE)/dist/status/bootstrap ## Measure the release build: sizes, start-up, invocations, store requests, cost
	cargo build --release --locked $(FUNCTIONS:%=--package %)
	cargo build --release --locked --package maskline-bench
	@target/release/maskline-bench

$(BENCH_NODE)/dist/status/bootstrap: $(wildcard $(BENCH_NODE)/src/*) $(BENCH_NODE)/package.json $(BENCH_NODE)/package-lock.json
	npm ci --prefix $(BENCH_NODE) --no-audit --no-fund
	npm run --silent build --prefix $(BENCH_NODE)

.PHONY: clean
clean: ## Remove what was built and installed here
	rm -rf target .venv .aws-sam $(CLIENT)/dist $(CLIENT)/node_modules $(DEMO)/dist $(DEMO)/node_modules $(TAG)/dist $(TAG)/node_modules $(BROWSER)/dist $(BROWSER)/node_modules
