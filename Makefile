# make run serves the demo catalog; make test runs what this machine can run and says what it did not.
# Everything else: check (format, lint, race), bench, golden, soak.

GO       ?= go
DATA     ?= ./data
ADDR     ?= 127.0.0.1:8080
LINT      = $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: run build test check lint bench golden soak

run:
	$(GO) run . serve --demo --data $(DATA) --addr $(ADDR)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o carrel .

test:
	@./tests/run.sh

lint:
	$(LINT) fmt --diff
	$(LINT) run ./...

check: lint
	$(GO) vet ./...
	$(GO) test -race ./...
	$(GO) mod tidy -diff

bench:
	cd bench && $(GO) run . | tee last.txt

golden:
	@./tests/golden.sh

soak:
	@./tests/soak.sh
