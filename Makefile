# What a developer and CI run. "make" lists it.

export GOWORK := off

LINTER := $(CURDIR)/bin/golangci-lint

# The folders of the modules with Go code, or with tests. They are looked for, so that a new one is not forgotten.
modules_with = $(shell find . -name go.mod -not -path '*/testdata/*' | sort | while read -r mod; do \
	dir=$${mod%/go.mod}; test -z "$$(find $$dir -name '$(1)' | head -n 1)" || echo $$dir; done)

.PHONY: help
help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## run the example controller on a control plane of its own; ARGS are its arguments
	@assets="$$(go run ./hack/envtest)" && KUBEBUILDER_ASSETS="$$assets" go run ./examples/controller $(ARGS)

.PHONY: test
test: compiler ## run every test, with the race detector, against a real API server
	@assets="$$(go run ./hack/envtest)" && export KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=1 && \
	for dir in $(call modules_with,*_test.go); do \
		echo "testing $$dir" && go -C $$dir test -race -timeout 20m ./... || exit 1; \
	done

.PHONY: test-peers
test-peers: compiler ## run the tests of client-go, controller-runtime and programs against larder; ARGS are arguments, such as -all
	@assets="$$(go run ./hack/envtest)" && KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=1 go run ./hack/peers $(ARGS)

.PHONY: test-next
test-next: ## build and test against the next version of Kubernetes' libraries; ARGS are arguments, such as -version v0.38.0
	@go run ./hack/next $(ARGS)

.PHONY: test-mutants
test-mutants: compiler ## prove that the tests notice mistakes made on purpose; ARGS are arguments, such as -package gomap
	@CGO_ENABLED=1 go run ./hack/mutants $(ARGS)

# The race detector is linked by the C compiler.
.PHONY: compiler
compiler:
	@command -v $(firstword $(shell go env CC)) >/dev/null || { \
		echo 'The race detector needs a C compiler: install gcc or clang, or set CC.' >&2; exit 1; }

.PHONY: bench
bench: ## measure beside the peers; ARGS are arguments, such as -quick
	go -C bench run . $(ARGS)

.PHONY: bench-packing
bench-packing: ## measure what caches of a real API server take; ARGS are arguments, such as -quick
	@assets="$$(go run ./hack/envtest)" && KUBEBUILDER_ASSETS="$$assets" go -C bench run . -packing $(ARGS)

.PHONY: lint
lint: $(LINTER) ## check style, mistakes and layering
	@for dir in $(call modules_with,*.go); do \
		echo "linting $$dir" && (cd $$dir && $(LINTER) run ./...) || exit 1; \
	done
	@echo 'vetting the store for 32 bits' && GOARCH=386 go vet ./pkg/store/... ./pkg/gomap/...

.PHONY: fmt
fmt: $(LINTER) ## format the code as lint wants it
	@for dir in $(call modules_with,*.go); do (cd $$dir && $(LINTER) fmt ./...) || exit 1; done

.PHONY: envtest
envtest: ## build the control plane for tests, once, and print its folder
	@go run ./hack/envtest

$(LINTER): hack/lint/go.mod hack/lint/go.sum
	@echo 'building the linter, first time only: it takes some minutes' >&2
	@go -C hack/lint build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
