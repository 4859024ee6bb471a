# Two commands do everything on a machine with Go and Node: make demo, make test.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crmwatch
BIN   := $(CACHE)/bin
GO    ?= go

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK   := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: help demo build test check lint vuln race fuzz bench-rules bench-short profile cover libchdb kafka clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## play a company's day with planted leaks, and find them
	./crmwatch demo

build: libchdb ## leave the binary at ./crmwatch
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o crmwatch ./cmd/crmwatch

test: build kafka lint race bench-short vuln ## everything: build, linters, tests with the race detector, known vulnerabilities

race: libchdb kafka ## the tests, with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

lint: $(GOLANGCI_LINT) ## the linters
	$(GOLANGCI_LINT) run ./...

# The vulnerability database is on the network; without it the check says so and
# does not fail.
vuln: $(GOVULNCHECK) ## known vulnerabilities in what is imported, where the database can be reached
	@out=$$($(GOVULNCHECK) ./... 2>&1) && echo "$$out" || { \
	  if grep -qE 'fetching vulnerabilities|dial tcp|no such host|connection refused|Forbidden|context deadline' <<<"$$out"; \
	  then echo "govulncheck: the vulnerability database cannot be reached from here; not checked"; \
	  else echo "$$out"; exit 1; fi; }

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

PROFILES := $(BIN)/profiles
BENCHFLAGS ?= -count 5
bench-rules: ## how fast rules are evaluated, as a whole process: events/s, CPU, memory, and ratios within one run
	$(GO) test ./cmd/crmwatch -run '^$$' -bench '^BenchmarkRulesEval$$' -benchtime 1x -timeout 2h $(BENCHFLAGS)

bench-short: ## the same with a hundredth of the events: that it runs, not how fast
	@$(MAKE) --no-print-directory bench-rules BENCHFLAGS='-count 1 -rules.share 100'

profile: ## measure anew where the time goes that the compiler then optimizes for
	rm -rf $(PROFILES) && mkdir -p $(PROFILES)
	$(GO) test -trimpath ./cmd/crmwatch -run '^$$' -bench '^BenchmarkRulesEval$$/^[AB]$$' -benchtime 1x -rules.profile $(PROFILES)
	$(GO) tool pprof -proto $(PROFILES)/*.pprof > cmd/crmwatch/default.pgo

cover: libchdb kafka ## test coverage by package
	$(GO) test -cover ./...

libchdb: ## fetch the ClickHouse engine, pinned by version and checksum
	@internal/embedded/libchdb/fetch.sh

kafka: ## fetch Apache Kafka for the integration tests, where Java and Maven are there
	@internal/testkit/apachekafka/fetch.sh || echo "Apache Kafka cannot be had here; its tests will say so"

$(GOLANGCI_LINT):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(BIN)/golangci-lint $@

$(GOVULNCHECK):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@mv $(BIN)/govulncheck $@

clean: ## remove what was built; the cache stays
	rm -rf crmwatch crmwatch-data
