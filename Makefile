# The few commands people type; cmake does the work. `make help` lists them.
DESTDIR ?=
PREFIX  ?= /usr/local
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
CTEST_ARGS ?=
KILLS   ?= 60
STEPS   ?= 100000
SECONDS ?= 60
ROUNDS  ?= 300
KEEP    ?=
SEED    ?= 1
SPEED   ?=
POINTS  ?= 250
GAMES   ?= 1230
NIGHTS  ?=
export CMAKE_GENERATOR ?= $(shell command -v ninja >/dev/null 2>&1 && echo Ninja || echo "Unix Makefiles")

.PHONY: all help packages build demo check storm storm-proof power model fuzz simulate nights season drills guards bench install format clean

all: build

help:
	@echo "make          build Release into build/"
	@echo "make demo     live one night of the simulated league, page on http://127.0.0.1:7480"
	@echo "make check    build with sanitizers into build-check/ and run every test"
	@echo "make storm    kill processes at random through a recorded night (KILLS=60 SEED=1)"
	@echo "make storm-proof  exactly once over 4 partitions under kills, stops, moved and lost shards (KILLS=1000 SEED=1)"
	@echo "make model    the protocol against its model: STEPS=100000 SEED=1"
	@echo "make power    cut the power at recorded points, reopen all that a disk may then hold (POINTS=250 SEED=1)"
	@echo "make fuzz     every parser fuzzed for SECONDS=60; KEEP=1 adds what is new to the corpora"
	@echo "make simulate broker and kit in a deterministic world, crashed at every call: SEED=1 ROUNDS=300"
	@echo "make drills   every class of incident of docs/INCIDENTS.md provoked on a running night (DRILLS=\"10 25\")"
	@echo "make guards   each drill again with its guard taken out of a copy of the sources: it must fail (DRILLS=\"03 15\"; slow)"
	@echo "make nights   recorded nights at every speed, compiler and level (slow)"
	@echo "make season   a simulated season with random faults and holes, beside one that nobody disturbed (GAMES=1230 SEED=1; NIGHTS=, SPEED=)"
	@echo "make bench    the broker beside Redis and NATS; writes docs/BENCHMARKS.md (ROUNDS=5 ONLY= FRESH=)"
	@echo "make install  [DESTDIR=] [PREFIX=/usr/local]"
	@echo "make packages install the missing Debian packages of config/packages.txt"
	@echo "make format   clang-format every source in place"
	@echo "make clean    remove build/ build-check/ build-clang/"

packages:
	@config/packages.sh config/packages.txt

build:
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build build -j $(JOBS)

demo: packages
	+$(MAKE) build
	build/bin/tipoff demo

check: packages
	cmake -S . -B build-check -DCMAKE_BUILD_TYPE=Release -DTIPOFF_SANITIZE=ON
	cmake --build build-check -j $(JOBS)
	ctest --test-dir build-check -j 3 --output-on-failure $(CTEST_ARGS)

storm: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_SOURCE=$(CURDIR) /usr/bin/python3 tests/fault/storm.py $(KILLS) $(SEED)

storm-proof: KILLS = 1000
storm-proof: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_BUILD=$(CURDIR)/build TIPOFF_SOURCE=$(CURDIR) \
		/usr/bin/python3 tests/fault/storm_proof.py $(KILLS) $(SEED)

model: packages
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build build -j $(JOBS) --target protocol-model
	TIPOFF_BUILD=$(CURDIR)/build TIPOFF_SOURCE=$(CURDIR) STEPS=$(STEPS) SEED=$(SEED) LIES="1 2 3 4 5 6 7 8 9" \
	    bash tests/protocol/model.sh

power: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_BUILD=$(CURDIR)/build TIPOFF_SOURCE=$(CURDIR) \
		/usr/bin/python3 tests/fault/power.py $(POINTS) $(SEED)

fuzz: packages
	TIPOFF_BUILD=$(CURDIR)/build TIPOFF_SOURCE=$(CURDIR) FUZZ_SECONDS=$(SECONDS) FUZZ_KEEP=$(KEEP) \
	    /usr/bin/python3 tests/fuzz/run.py

simulate: packages
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build build -j $(JOBS) --target simulate
	TIPOFF_BUILD=$(CURDIR)/build SEED=$(SEED) EVERY=1 ROUNDS=$(ROUNDS) bash tests/simulate/simulate.sh

nights: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_SOURCE=$(CURDIR) /usr/bin/python3 tests/nights.py $(NIGHTS_ARGS)

season: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_BUILD=$(CURDIR)/build TIPOFF_SOURCE=$(CURDIR) GAMES=$(GAMES) NIGHTS=$(NIGHTS) SEED=$(SEED) \
		SPEED=$(SPEED) /usr/bin/python3 tests/fault/season.py

drills: packages
	+$(MAKE) build
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_SOURCE=$(CURDIR) \
		/usr/bin/python3 tests/drills/run.py $(if $(DRILLS),$(DRILLS),--all)

guards: packages
	TIPOFF_SOURCE=$(CURDIR) /usr/bin/python3 tests/drills/guards.py $(DRILLS)

bench: packages
	config/packages.sh config/packages-bench.txt
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release
	cmake --build build -j $(JOBS)
	TIPOFF_BIN=$(CURDIR)/build/bin TIPOFF_SOURCE=$(CURDIR) /usr/bin/python3 tests/bench/run.py $(BENCH_ARGS)

install: build
	DESTDIR=$(DESTDIR) cmake --install build

format:
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

clean:
	rm -rf build build-check build-clang
