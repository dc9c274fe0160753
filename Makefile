# SPDX-License-Identifier: Apache-2.0
#
# The names that people and scripts use; Meson does the work. docs/TESTING.md says what each runs.
DATA ?= data
PORT ?= 3000
SEED ?= 1
SECONDS ?= 60

.PHONY: build run test check bench depth sim fuzz faults coverage mutate bless format clean help

# The release: optimised, hardened, with assertions and debug information. The folder may have been
# configured with tests: they are built by what runs them.
build: build/build.ninja
	@ninja -C build --quiet programs >build/ninja.log 2>&1 || { cat build/ninja.log; exit 1; }

build/build.ninja:
	@mkdir -p build
	@meson setup build -Dtests=false >build/setup.log 2>&1 || { cat build/setup.log; exit 1; }

run:
	@DATA="$(DATA)" PORT="$(PORT)" exec ./run

test: build
	@tools/suites test

check: build
	@tools/need build test check
	@tools/suites check

bench: build
	@exec bench/run

# What the modules add to the ledger, each beside a reference.
depth: build
	@ninja -C build --quiet benches
	@exec bench/depth

# A world of plain clients, one of modules and one of ports, on a virtual disk, clock and network;
# with HOURS, worlds of all three from SEED on for so long, side by side.
sim: build
	@tools/suites configure
	@ninja -C build --quiet tests/sim/sim tests/sim/harbour/sim-ports
	@tools/sim $(SEED) $(HOURS)

# The targets of tests/fuzz with libFuzzer, SECONDS each.
fuzz: build
	@tools/need build test check
	@tools/fuzz $(SECONDS)

# Real faults on real processes and folders at full size; ROUNDS and SEED as tools/faults has them.
faults: build
	@tools/need build test
	@tools/suites configure
	@$(if $(filter command line,$(origin SEED)),SEED=$(SEED)) ROUNDS=$(ROUNDS) tools/faults

# Lines and branches of src/ that the tests reach, by folder.
coverage: build
	@tools/need build test
	@tools/suites coverage

# Every rule of a decide taken out in turn: a test must notice it.
mutate: build
	@tools/need build test
	@tools/mutate_test.py
	@tools/mutate.py

# Renews the golden files; read the difference before committing it.
bless: build
	@BLESS=1 tools/suites golden

# Formats every source file as `make check` wants it.
format:
	@clang-format -i $$(tools/sources '*.c' '*.h')

help:
	@echo "make build    the release, build/tael and build/tael-audit"
	@echo "make run      a server on DATA=$(DATA), PORT=$(PORT)"
	@echo "make test     unit, table, model and simulator tests; the official client"
	@echo "make check    style, static analysis, sanitizers"
	@echo "make bench    the benchmarks, against an in-memory probe"
	@echo "make depth    those of what the modules add, beside references"
	@echo "make sim      long runs of the simulator, SEED=$(SEED); HOURS=h for so long"
	@echo "make fuzz     what comes from outside, changed at random, SECONDS=$(SECONDS) a target"
	@echo "make faults   kills, stops, failing calls, damaged folders, hostile inputs, ROUNDS of each"
	@echo "make coverage lines and branches that the tests reach"
	@echo "make mutate   each rule taken out in turn, which a test must notice"
	@echo "make bless    renews the golden files; read the difference"
	@echo "make format   formats every source file"
	@echo "make clean    removes what was built"
	@echo "docs/TESTING.md says more."

clean:
	@rm -rf build build-*
