# Conclave. `make run` on a fresh Debian 12 or 13 installs what is missing, builds and serves; the rest is in `make help`.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_S ?= 60
MEMBERS ?= 10 100 500 1000
JOBS ?= $(shell nproc)
ARGS ?=

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build web deps test prove sanitize fuzz bench bench-e2ee install format lint clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and serve on http://localhost:7880 (more options: make run ARGS="--port 8080")
	exec $(BUILD)/src/server/conclave serve --data-dir data $(ARGS)

build: deps web $(BUILD)/build.ninja ## the executable build/src/server/conclave
	ninja -C $(BUILD) -j $(JOBS) src/server/conclave

deps: ## install the packages that building needs (asks for root)
	@tools/deps build

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD)

# --- the web client --------------------------------------------------------------------------------------------------

WEB_SOURCES := $(shell find web/src web/e2ee web/static web/build.mjs web/package.json web/tsconfig.json -type f 2>/dev/null)
# what is compiled to WebAssembly for it
WEB_SOURCES += $(wildcard $(foreach d,base crypto e2ee group member wasm,src/$d/*.[ch])) tools/build-wasm

web: web/dist/index.html ## the web client, web/dist

web/node_modules/.package-lock.json: web/package-lock.json | deps
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: $(WEB_SOURCES) web/node_modules/.package-lock.json
	cd web && npm run --silent build

# --- tests -----------------------------------------------------------------------------------------------------------

tests/node_modules/.package-lock.json: tests/package-lock.json
	cd tests && npm ci --no-audit --no-fund
	@touch $@

tests/e2ee/node_modules/.package-lock.json: tests/e2ee/package-lock.json
	cd tests/e2ee && npm ci --no-audit --no-fund
	@touch $@

TEST_PACKAGES := tests/node_modules/.package-lock.json tests/e2ee/node_modules/.package-lock.json

test: ## everything that must pass; the last line counts
	@tools/deps build test
	@$(MAKE) --no-print-directory build $(TEST_PACKAGES)
	@ninja -C $(BUILD) -j $(JOBS)
	@tools/test-all $(BUILD)

prove: ## five proofs of the end-to-end encryption against the real server; evidence in build/prove
	@tools/deps build test
	@$(MAKE) --no-print-directory build $(TEST_PACKAGES)
	@ninja -C $(BUILD) -j $(JOBS)
	@rm -rf $(BUILD)/prove && mkdir -p $(BUILD)/prove && echo "some minutes; $(BUILD)/prove/run.log says how far it is"
	@cd tests && CONCLAVE_BIN=$(abspath $(BUILD))/src/server/conclave PROVE=long RESULTS=$(abspath $(BUILD))/prove/results.jsonl \
	    ../tools/node prove/run.mjs > $(abspath $(BUILD))/prove/run.log 2>&1; ../tools/node prove/table.mjs $(abspath $(BUILD))/prove/results.jsonl $(BUILD)/prove

# Findings must end a program with a failure. The quarantine is small because suites measure the server's memory.
sanitize: export ASAN_OPTIONS = halt_on_error=1:abort_on_error=1:detect_leaks=1:quarantine_size_mb=8
sanitize: export UBSAN_OPTIONS = halt_on_error=1:abort_on_error=1:print_stacktrace=1
sanitize: export TSAN_OPTIONS = halt_on_error=1:abort_on_error=1:second_deadlock_stack=1
sanitize: export PATIENCE = 10
sanitize: ## the whole suite under ASan and UBSan, what has threads and the server under TSan
	@tools/deps build test
	@$(MAKE) --no-print-directory build $(TEST_PACKAGES)
	test -f $(BUILD)-asan/build.ninja || meson setup $(BUILD)-asan -Db_sanitize=address,undefined
	ninja -C $(BUILD)-asan -j $(JOBS)
	tools/test-all $(BUILD)-asan meson interop abuse browser
	test -f $(BUILD)-tsan/build.ninja || meson setup $(BUILD)-tsan -Db_sanitize=thread
	ninja -C $(BUILD)-tsan -j $(JOBS)
	meson test -C $(BUILD)-tsan --no-rebuild --print-errorlogs --timeout-multiplier 5 base io http server webhook
	tools/test-all $(BUILD)-tsan interop abuse

fuzz: build ## every fuzz target for FUZZ_S seconds (make fuzz FUZZ_S=600)
	@tools/deps fuzz
	test -f $(BUILD)-fuzz/build.ninja || CC=clang meson setup $(BUILD)-fuzz -Dfuzzers=true \
	    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
	ninja -C $(BUILD)-fuzz -j $(JOBS)
	@tools/fuzz-all $(BUILD)-fuzz $(FUZZ_S)

bench: build ## measure; the figures of the machine at hand
	@tools/deps build test
	@$(MAKE) --no-print-directory tests/node_modules/.package-lock.json
	ninja -C $(BUILD) -j $(JOBS)
	@for program in $$(find $(BUILD)/bench -maxdepth 1 -type f -executable | sort); do \
	    echo "== $$(basename $$program)"; $$program || exit 1; done
	@echo "== joins, memory, forwarding"; cd tests && CONCLAVE_BIN=$(abspath $(BUILD))/src/server/conclave ../tools/node bench/join.mjs
	@echo "== others while somebody attacks"; cd tests && CONCLAVE_BIN=$(abspath $(BUILD))/src/server/conclave ../tools/node bench/attack.mjs
	@echo "== bundle"; cd web && npm run --silent size

bench-e2ee: build ## MLS groups beside ts-mls, frames beside the AEAD, meetings (MEMBERS="10 100" is less)
	@tools/deps build test
	@$(MAKE) --no-print-directory $(TEST_PACKAGES)
	ninja -C $(BUILD) -j $(JOBS) bench/bench_mls_group bench/bench_sframe tools/conclave_e2ee.wasm tools/member-peer
	@echo "== groups"; CONCLAVE_BIN=$(abspath $(BUILD))/src/server/conclave tools/node tests/bench/e2ee.mjs $(MEMBERS)
	@echo "== frames"; $(BUILD)/bench/bench_sframe
	@echo "== meetings"; CONCLAVE_BIN=$(abspath $(BUILD))/src/server/conclave tools/node tests/bench/meeting.mjs

# --- the source ------------------------------------------------------------------------------------------------------

C_FILES = $(shell git ls-files '*.c' '*.h')

format: ## clang-format over all C files
	@tools/deps lint
	clang-format -i $(C_FILES)

lint: build ## clang-tidy and the direction of includes
	@tools/deps lint
	tools/check-includes
	printf '%s\n' $(filter src/%.c,$(C_FILES)) | xargs -P $(JOBS) -n 8 clang-tidy --quiet -p $(BUILD)

# --- packaging -------------------------------------------------------------------------------------------------------

install: build ## into PREFIX (/usr/local), with a systemd unit and an example configuration
	install -D -m 755 $(BUILD)/src/server/conclave $(DESTDIR)$(PREFIX)/bin/conclave
	install -D -m 644 packaging/conclave.yaml $(DESTDIR)$(PREFIX)/share/doc/conclave/conclave.yaml
	test -e $(DESTDIR)/etc/conclave/conclave.yaml || \
	    install -D -m 640 packaging/conclave.yaml $(DESTDIR)/etc/conclave/conclave.yaml
	install -D -m 644 packaging/conclave.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/conclave.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,@PREFIX@,$(PREFIX),g' packaging/conclave.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/conclave.service
	@test -n "$(DESTDIR)" || echo 'Now: systemd-sysusers && chgrp conclave /etc/conclave/conclave.yaml && systemctl daemon-reload && systemctl enable --now conclave'

clean: ## remove what was built (not the data folder)
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz web/dist
