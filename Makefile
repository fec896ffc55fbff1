# logforge. `make` or `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

NODE_MAJOR := 26
STAMP := node_modules/.installed

##@ First
run: run-v1 ## Install, start version 1 with defaults, print a curl line to try it
# Coverage leaves out tests that measure time and tests with 100,000 cases: with coverage V8 optimises little.
COVERED := src/ test/http-threads.test.ts test/e2e/http-workers.test.ts test/e2e/spec-rows.test.ts
UNCOVERED := src/decode/stall.test.ts src/decode/text/text-stall.test.ts src/decode/equality.test.ts
# The test of the compose file builds Docker Compose with go, for minutes: make test-image runs it.
# The first run writes its count here. The second run prints the sum. In the first, the processes under test read the sources; in the second
# a bundle of them, which halves the time of a start. The tests of both wait, for limits in time or for processes, so two cores take more at once.
COUNTS := node_modules/.cache/test-counts.json
IN_COVERAGE := --maxWorkers 3
IN_PROCESSES := --maxWorkers 3
COVERAGE = vitest run $(IN_COVERAGE) --coverage $(COVERED) $(patsubst %,--exclude %,$(UNCOVERED))

test: setup lint types ## Install, then run everything: lint, types, unit tests with coverage, contract and end-to-end tests, with a real Kafka
	@failed=; TEST_COUNTS_OUT=$(COUNTS) $(COVERAGE) || failed=yes; \
	  TEST_PROGRAM="$$(node test/support/bundle.ts)"; export TEST_PROGRAM; \
	  TEST_COUNTS_IN=$(COUNTS) vitest run $(IN_PROCESSES) test/ $(UNCOVERED) --exclude test/image/compose.test.ts $(patsubst %,--exclude %,$(filter test/%,$(COVERED))) || failed=yes; \
	  test -z "$$failed"

# Out of test-quick: what needs a broker, measures time, or has 100,000 cases. In: the tests of src, and those of test/ that guard every
# change: imports and lengths, documents, deployment files, the HTTP contract's rows against the real process.
QUICK_OUT := src/queue/kafka/kafka-queue.test.ts $(UNCOVERED)
QUICK := src/ test/architecture.test.ts test/operations/docs.test.ts test/deploy.test.ts test/sample-logs.test.ts \
  test/support/ test/soak/slope.test.ts test/soak/report.test.ts test/e2e/spec-rows.test.ts

test-quick: setup lint types ## Lint, types and the tests for work in progress, in two minutes: no broker, no browser, no kills
	@vitest run $(QUICK) $(patsubst %,--exclude %,$(QUICK_OUT))

coverage: setup ## Run the tests of one process; they must cover at least 90 % of the lines of src
	@$(COVERAGE)

##@ Develop
setup: $(STAMP) ## Install the dependencies, the runtime among them, and check what was installed
	@version="$$(node --version 2>/dev/null)" || exec bin/logforge version; case "$$version" in v$(NODE_MAJOR).*) ;; *) \
	  echo "make: node is $$version, and logforge is measured on $(NODE_MAJOR)." >&2; \
	  echo "make: the npm package \"node\" brings it; its install script must be allowed to run:" >&2; \
	  echo "make: rm -rf node_modules && npm ci --ignore-scripts=false" >&2; exit 1;; esac

$(STAMP): package.json package-lock.json
	@npm ci --no-fund --no-audit --loglevel=error || { bin/logforge version >/dev/null; exit 1; }
	@touch $(STAMP)

run-v1: setup ## Start version 1 (HTTP to files) on :8082
	@printf '%s\n' 'Try it, in another terminal:' '' \
	  '  curl -i -H "Content-Type: application/json" -d @testdata/sample_logs.json http://localhost:8082/logs' ''
	@exec bin/logforge serve --version 1

run-v2: setup ## Start version 2 (HTTP to Kafka to files) on :8083, with a broker if KAFKA_BROKERS names none
	@if [ -n "$${KAFKA_BROKERS:-}" ]; then export LOGFORGE_KAFKA_BROKERS="$$KAFKA_BROKERS"; else $(MAKE) --no-print-directory kafka-up; fi; \
	  exec bin/logforge serve --config config/examples/config.v2.local.yaml

run-universal: setup certs ## Start version 1 with the universal port: HTTP on :3000, TLS on TCP 3001, UDP 3002
	@printf '%s\n' 'Try it, in another terminal:' '' \
	  '  bin/logforge generate --format raw --batch 4000 --interval 10 --ca certs/cert.pem' ''
	@exec bin/logforge serve --config config/examples/config.universal.yaml

build: setup ## Compile to dist, which the package contains
	@npm run --silent build

lint: setup ## Check the format and the lint rules
	@biome check .

types: setup ## Check types
	@tsc -p .

check: lint types ## Check lint rules and types

format: setup ## Format the sources
	@biome check --write .

crash-v2: setup ## Kill service, consumer and broker of version 2 under load and check the accounting (ROUNDS=20)
	@ROUNDS=$(or $(ROUNDS),20) vitest run test/crash/crash-v2.test.ts

forward-faults: setup ## Rotate logs under a forwarder, and kill it and its service in turn (ROUNDS=200)
	@LOGFORGE_FORWARD_ROUNDS=$(or $(ROUNDS),200) vitest run test/e2e/forward.test.ts -t 'each line once over'

outages: setup ## Make the broker of version 2 unavailable in every way, and available again
	@vitest run test/e2e/version2-outage.test.ts test/kafka/outage.test.ts

reliability: setup ## Let faults strike a service under load and check every promise (ROUNDS=50 SEED= VERSION=1|2|both ONLY=kill,freeze LIFE= FROM= COMPRESSION=none|zstd|mixed REPORT= QUIET=1)
	@ROUNDS=$(ROUNDS) SEED=$(SEED) VERSION=$(VERSION) ONLY=$(ONLY) LIFE=$(LIFE) FROM=$(FROM) REPORT=$(REPORT) QUIET=$(QUIET) COMPRESSION=$(COMPRESSION) node test/reliability/run-reliability.ts

crash: setup ## The same with kill -9 alone (ROUNDS=200)
	@$(MAKE) --no-print-directory reliability ROUNDS=$(or $(ROUNDS),200) ONLY=kill

attack: setup ## Run all hostile clients beside honest ones, and check what the honest ones feel (SECONDS=60 SEED=1 ONLY= REPORT=)
	@SECONDS=$(or $(SECONDS),60) SEED=$(or $(SEED),1) node test/attack/run-attack.ts

fuzz: setup ## Fuzz both HTTP paths, every reader of bytes and the model of the disk; keep what fails (MINUTES=5 ONLY=http,config SEED= REPLAY=file)
	@MINUTES=$(or $(MINUTES),5) ONLY=$(ONLY) SEED=$(SEED) REPLAY=$(REPLAY) node test/fuzz/run-fuzz.ts

soak: setup ## Load the service for MINUTES, with restarts, and judge whether memory, descriptors or latency grow (MINUTES=20 SEED=1 VERSION=1 REPORT=)
	@MINUTES=$(or $(MINUTES),20) SEED=$(or $(SEED),1) VERSION=$(or $(VERSION),1) node --disable-warning=TimeoutNegativeWarning test/soak/run-soak.ts

##@ Kafka and containers
# kafkajs sometimes sets a timer in the past, of which Node.js warns.
KAFKA := node --disable-warning=TimeoutNegativeWarning scripts/kafka.ts

kafka-up: setup ## Start a broker on localhost:19092, by Docker compose if there is an engine, else from Apache's jars
	@if docker info >/dev/null 2>&1; then docker compose up --detach --wait kafka; else $(KAFKA) start; fi

kafka-down: setup ## Stop that broker and keep its data
	@if docker info >/dev/null 2>&1; then docker compose stop kafka; else $(KAFKA) stop; fi

kafka-topic: setup ## Create the topic if it is missing; an existing one is not changed
	@$(KAFKA) topic

stack-up: ## Build and start everything in containers: Kafka, Prometheus, version 1 on :8082, version 2 on :8083
	@BUILD_COMMIT="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" docker compose up --build --detach --wait

stack-down: ## Stop and remove those containers and keep their volumes
	@docker compose down

universal-up: certs ## Start the universal port in containers: registry on :8000, service on :3000 to :3002, four generators
	@BUILD_COMMIT="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" docker compose --profile universal up --build --detach --wait registry ingestor generate-json generate-proto generate-avro generate-raw

universal-down: ## Stop and remove those containers and keep their volumes
	@docker compose rm --stop --force registry ingestor-certs ingestor generate-json generate-proto generate-avro generate-raw

infra-up: ## Start only Kafka and Prometheus in containers, for a service outside of them
	@docker compose up --detach --wait kafka prometheus

infra-down: ## Stop them
	@docker compose stop kafka prometheus

test-image: setup ## Build the container image and test it on a Docker engine, which root on Debian gets without installing one
	@vitest run test/image

##@ Measure
bench: setup ## Put load on the real service and print records a second, CPU and latency (ARGS="--full", see --help)
	@node bench/suite.ts $(ARGS)

bench-https: setup ## Measure POST /logs by TLS beside plain HTTP (ARGS="--rounds 3")
	@node bench/https.ts $(ARGS)

bench-micro: setup ## Measure the parts, each beside the fastest possible
	@node bench/micro.ts $(ARGS)

bench-query: setup ## Measure queries over an hour of GB gigabytes beside grep -F (GB=1 ROUNDS=3)
	@node bench/query.ts --gb $(or $(GB),1) --rounds $(or $(ROUNDS),3)

bench-store: setup ## Measure the line store: synced lines a second, and a download (ARGS="--batch 1000 --connections 4 --history 10000000")
	@node bench/store.ts $(ARGS)

bench-files: setup ## Measure replay, forward, its latency, and 10,000 files at rest (ARGS="--case forward --lines 2000000 --rounds 3")
	@node bench/files.ts $(ARGS)

bench-housekeeping: setup ## Measure the p99 of POST /logs while an hour of GB gigabytes is compressed, and deleted (GB=5 ROUNDS=3)
	@node bench/housekeeping-p99.ts --gb $(or $(GB),5) --rounds $(or $(ROUNDS),3)

bench-inputs: setup ## Measure what one input stores (ARGS="--transport tls --framing universal --format avro")
	@node bench/inputs.ts $(ARGS)

bench-transports: setup ## Compare sockets, datagrams and pipes, and write docs/transports.md with its plots; ten minutes (ARGS="--quick --only tcp")
	@node bench/transports.ts $(ARGS)

recovery: setup ## Measure starts after kill -9 with GB gigabytes of history beside 0.1 (GB=10 RUNS=5 REPORT=)
	@node bench/recovery.ts --gb $(or $(GB),10) --runs $(or $(RUNS),5) $(if $(REPORT),--out $(REPORT))

##@ Load and profiles
URL_V1 ?= http://127.0.0.1:8082
URL_V2 ?= http://127.0.0.1:8083
PPROF_ADDR_V1 ?= 127.0.0.1:6062
PPROF_ADDR_V2 ?= 127.0.0.1:6063
PPROF_SECONDS ?= 10
PROFILE_DIR ?= profiles
LOAD = $(if $(BATCH),--batch $(BATCH)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(DURATION),--duration $(DURATION))

loadtest-v1: setup ## Put load on a running version 1 (BATCH=1000 CONNECTIONS=16 DURATION=10 URL_V1=...)
	@node scripts/loadtest.ts --url $(URL_V1) $(LOAD)

loadtest-v2: setup ## Put load on a running version 2 (the same, URL_V2=...)
	@node scripts/loadtest.ts --url $(URL_V2) $(LOAD)

capture-profile-v1: setup ## Start version 1 on new folders, put load on it, stop it, keep its CPU and heap profiles
	@node scripts/capture-profile.ts 1 $(LOAD) $(if $(THREADS),--threads $(THREADS))

capture-profile-v2: setup ## The same for version 2; needs a broker (make kafka-up)
	@node scripts/capture-profile.ts 2 $(LOAD) $(if $(THREADS),--threads $(THREADS))

profile-run-v1: setup ## Start version 1 with live profiles on PPROF_ADDR_V1
	@PROFILE_ENABLED=1 PROFILE_ADDR=$(PPROF_ADDR_V1) exec bin/logforge serve --version 1

profile-run-v2: setup ## Start version 2 with live profiles on PPROF_ADDR_V2; needs a broker (make kafka-up)
	@PROFILE_ENABLED=1 PROFILE_ADDR=$(PPROF_ADDR_V2) exec bin/logforge serve --config config/examples/config.v2.local.yaml

profile-cpu-v1: ## Take a CPU profile of PPROF_SECONDS from the version 1 that profile-run-v1 started
	@$(call take,$(PPROF_ADDR_V1),profile?seconds=$(PPROF_SECONDS),cpu_v1.cpuprofile)

profile-cpu-v2: ## The same from version 2
	@$(call take,$(PPROF_ADDR_V2),profile?seconds=$(PPROF_SECONDS),cpu_v2.cpuprofile)

profile-heap-v1: ## Take a heap profile from version 1
	@$(call take,$(PPROF_ADDR_V1),heap,heap_v1.heapprofile)

profile-heap-v2: ## The same from version 2
	@$(call take,$(PPROF_ADDR_V2),heap,heap_v2.heapprofile)

profile-goroutine-v1: ## Take a snapshot from version 1: what each thread runs and waits for
	@$(call take,$(PPROF_ADDR_V1),goroutine,goroutine_v1.txt)

profile-goroutine-v2: ## The same from version 2
	@$(call take,$(PPROF_ADDR_V2),goroutine,goroutine_v2.txt)

profile-ui-cpu-v1: setup ## Open the last CPU profile of version 1 in speedscope, on :8085
	@node scripts/profile-ui.ts --port 8085 $(PROFILE_DIR)/cpu_v1.cpuprofile

profile-ui-cpu-v2: setup ## Open that of version 2, on :8086
	@node scripts/profile-ui.ts --port 8086 $(PROFILE_DIR)/cpu_v2.cpuprofile

profile-ui-cpu-compare: setup ## Open both side by side, on :8087
	@node scripts/profile-ui.ts --port 8087 $(PROFILE_DIR)/cpu_v1.cpuprofile $(PROFILE_DIR)/cpu_v2.cpuprofile

profile-ui-heap-compare: setup ## Open the last heap profiles of both versions side by side, on :8088
	@node scripts/profile-ui.ts --port 8088 $(PROFILE_DIR)/heap_v1.heapprofile $(PROFILE_DIR)/heap_v2.heapprofile

profile-ui-goroutine-compare: setup ## Open the last snapshots of both versions side by side, on :8089
	@node scripts/profile-ui.ts --port 8089 $(PROFILE_DIR)/goroutine_v1.txt $(PROFILE_DIR)/goroutine_v2.txt

profile-ui-heap-v1: setup ## Open the last heap profile of version 1, on :8090
	@node scripts/profile-ui.ts --port 8090 $(PROFILE_DIR)/heap_v1.heapprofile

profile-ui-heap-v2: setup ## Open that of version 2, on :8091
	@node scripts/profile-ui.ts --port 8091 $(PROFILE_DIR)/heap_v2.heapprofile

# address, what, file
take = mkdir -p $(PROFILE_DIR) && curl -fsS -o $(PROFILE_DIR)/$(3) 'http://$(1)/debug/pprof/$(2)' && echo '$(PROFILE_DIR)/$(3)'

certs: ## Make a certificate and a key for tests: certs/cert.pem and certs/key.pem
	@scripts/make-certs.sh

##@ Documents
docs: setup ## Write the references of the configuration, the metrics and the licences
	@node scripts/config-docs.ts
	@node scripts/metrics-docs.ts
	@node scripts/licences-docs.ts

docs-check: setup ## Check that every link, command, key, metric and error text in the documents exists
	@node scripts/docs-check.ts

metrics-check: setup ## Check the metrics of a running service: form, names and accounting (URL_V1=...)
	@node scripts/metrics-check.ts --url $(URL_V1)

bench-docs: setup ## Write the tables of a benchmark into README and docs (RESULT=bench/results/<date>.json; the newest)
	@node scripts/bench-docs.ts $(RESULT)

##@ Other
clean: ## Delete build and coverage results; keep data, dependencies and caches
	@rm -rf dist coverage *.tgz

help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-24s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: certs reliability run test test-image test-quick coverage setup run-v1 run-v2 run-universal universal-up universal-down kafka-up kafka-down kafka-topic stack-up stack-down infra-up infra-down crash-v2 outages build lint types check format crash attack soak fuzz bench bench-https bench-micro bench-query bench-store bench-housekeeping recovery clean help
.PHONY: loadtest-v1 loadtest-v2 capture-profile-v1 capture-profile-v2 profile-run-v1 profile-run-v2 profile-cpu-v1 profile-cpu-v2 \
  profile-heap-v1 profile-heap-v2 profile-ui-cpu-v1 profile-ui-cpu-v2 profile-ui-cpu-compare profile-ui-heap-v1 \
  profile-ui-heap-v2 profile-ui-heap-compare profile-goroutine-v1 profile-goroutine-v2 profile-ui-goroutine-compare docs docs-check metrics-check bench-docs bench-files forward-faults bench-inputs bench-transports
