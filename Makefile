# Everything a developer runs by hand. What CI runs on top is in .ci/run.

GO ?= go
# Lambda's binaries: no net/rpc (which keeps ten megabytes of dead code alive), no symbols, no machine paths.
LAMBDA := CGO_ENABLED=0 GOFLAGS='-trimpath -tags=lambda.norpc "-ldflags=-s -w"'
FUNCTIONS := $(notdir $(patsubst %/main.go,%,$(wildcard functions/*/main.go)))

# Which stack of samconfig.toml: dev, or prod.
ENV ?= dev
STACK = $(shell sed -n '/^\[$(ENV)\.global/,/^$$/s/^stack_name = "\(.*\)"/\1/p' samconfig.toml)

.PHONY: run demo bench bench-cold soak test race race-units lint fuzz build build-arm64 sam deploy logs delete clean

run: ## the whole chat on http://127.0.0.1:3003
	$(GO) run ./local

demo: ## three conversations, played by real clients
	$(GO) run ./local demo

bench: ## the load generator
	$(GO) run ./local bench -conversations 50 -seconds 20

bench-cold: build ## cold and warm invocations of the built functions, beside a hello-world
	$(LAMBDA) $(GO) build -o .build/HelloWorld/bootstrap ./local/cold/hello
	$(GO) run ./local cold -exec .build

soak: ## two minutes in which everything fails, and what became of the promises
	$(GO) run ./local soak -seconds 120

test: ## every test, on the embedded databases
	$(GO) test -shuffle=on $$($(GO) list ./... | grep -v '/$(ALONE)$$')
	$(GO) test -shuffle=on -parallel=6 ./$(ALONE)

# What measures how long answers take runs when nothing is compiled beside it. Its tests
# wait more than they compute.
ALONE := local/e2e

# One goroutine each, or nothing that the end-to-end suite does not run with it.
SEQUENTIAL := /(shared/(chat|protocol)|local|local/(model/.*|cold|contract|cost|docs|migrate|soak))$$

race: race-units ## the same with the race detector, but for what has nothing to race
	$(GO) test -race -short -shuffle=on ./$(ALONE)

race-units:
	$(GO) test -race -short -shuffle=on $$($(GO) list ./... | grep -vE '$(SEQUENTIAL)|/$(ALONE)$$')

FUZZ ?= 30s

fuzz: ## every fuzz test, guided by coverage, for FUZZ each (30s)
	@grep -rlE '^func Fuzz' --include='*_test.go' functions shared local | xargs -n 1 dirname | sort -u | while read -r pkg; do \
		for name in $$(cat $$pkg/*_test.go | grep -oE '^func Fuzz[A-Za-z0-9_]*' | cut -c6-); do \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ) ./$$pkg || exit 1; \
		done || exit 1; \
	done

lint: ## formatting, vet, and nothing left over
	@test -z "$$(gofmt -l functions shared local)" || { gofmt -l functions shared local; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) test -run TestLeftovers ./local

build: ## the functions for this machine, for go run ./local -exec .build
	rm -rf .build && $(LAMBDA) $(GO) build -o .build/bin/ ./functions/...
	@for f in $(FUNCTIONS); do \
		id="$$(printf '%s' "$$f" | cut -c1 | tr a-z A-Z)$$(printf '%s' "$$f" | cut -c2-)Function"; \
		mkdir -p .build/$$id && mv .build/bin/$$f .build/$$id/bootstrap || exit 1; \
	done
	@rmdir .build/bin

build-arm64: ## the functions as they deploy, in one folder
	rm -rf .build-arm64 && GOOS=linux GOARCH=arm64 $(LAMBDA) $(GO) build -o .build-arm64/ ./functions/...

# sam builds all functions at once, and with a cold cache each of them compiled everything: once before it is enough.
sam: ## what sam deploy takes
	GOOS=linux GOARCH=arm64 $(LAMBDA) $(GO) list -export ./functions/... >/dev/null
	$(LAMBDA) sam build

deploy: sam ## the stack of ENV; GUIDED=1 asks for what it does not know yet
	sam deploy --config-env $(ENV) $(if $(GUIDED),--guided)

logs: ## of its functions, as they come
	aws logs tail --follow "$$(aws cloudformation describe-stacks --stack-name $(STACK) \
		--query "Stacks[0].Outputs[?OutputKey=='FunctionLogs'].OutputValue" --output text)"

delete: ## the stack of ENV, but for its logs and dead letters
	sam delete --config-env $(ENV)

clean:
	rm -rf .build .build-arm64 .aws-sam .local
