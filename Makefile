# The front door. `make run` and `make test` install what is missing, build, and go; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PRESET ?= release
BUILD := build/$(PRESET)
BIN := $(BUILD)/bin
CTEST := ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j 2

.PHONY: help labs batch statistics tests build-cost lint leaks measured-leaks run run-full test test-quick build bench ablate verdicts list measured measured-batch measured-statistics matrix measured-matrix foreign-frees picture pprof report report-pictures serve pages fuzz host-conformance sanitize \
        bench-allocators bench-retention bench-conversion bench-profiling bench-purge-trace bench-snapshot setup setup-limiter setup-pprof setup-fuzz \
        setup-pages setup-browser clean format

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: labs ## both labs: memory until the kernel kills, and pauses; before and after each (about two minutes)
	@mkdir -p out
	@$(BIN)/order_service --json out/order_service.json --profile out/profiles; first=$$?; [ $$first -le 1 ] || exit $$first; echo; \
	  $(BIN)/gc_pause --heap 512MiB --period 3s --periods 5 --json out/gc_pause.json --profile out/profiles/gc_pause; second=$$?; \
	  [ $$second -le 1 ] || exit $$second; $(MAKE) --no-print-directory report && exit $$((first | second))

run-full: labs ## the GC-pause lab at its full size: 2 GiB, a minute for each arm (about two and a half minutes)
	@mkdir -p out
	@$(BIN)/gc_pause --json out/gc_pause.json

batch: labs ## the order-batch lab: ten thousand orders, 100 s and then 2 s (about two minutes)
	@mkdir -p out
	@$(BIN)/order_batch --json out/order_batch.json

statistics: labs ## the order-statistics lab: a query of seconds, and then of milliseconds (about two minutes; the first time, a minute more)
	@mkdir -p out
	@$(BIN)/order_statistics --json out/order_statistics.json

RESULTS := order_service gc_pause ablation gc_pause-ablation order_batch order_batch-ablation order_batch-matrix order_statistics order_statistics-ablation
report: labs pages ## out/report.html: one self-contained page from the results in out/
	@results="$(wildcard $(RESULTS:%=out/%.json))"; \
	  [ -n "$$results" ] || { echo "plateau: no results in out/; make run writes out/order_service.json" >&2; exit 2; }; \
	  $(BIN)/report $$results -o out/report.html

report-pictures: report | setup-browser ## the pictures of the README: of out/report.html, and of the live dashboard (about a minute)
	@tests/browser/run.sh $(BUILD)/tests/browser ../../labs/report/pictures.mjs out/report.html $(BIN)/order_service labs/report

serve: labs pages ## the order service under load, with the live dashboard on http://127.0.0.1:6060, until Ctrl-C
	@$(BIN)/order_service serve $(SERVE_FLAGS)

pages: labs | setup-pages
	@ninja -C $(BUILD) --quiet pages > $(BUILD)/pages.log || { cat $(BUILD)/pages.log >&2; exit 2; }

test: tests pages build/pprof build/rate_original | setup-browser ## every test: unit, end to end, and one full-length experiment (about 20 minutes)
	@$(CTEST)

test-quick: tests pages build/pprof build/rate_original | setup-browser ## the tests without the full-length experiment
	@$(CTEST) -LE full

build: setup ## everything: libraries, agent, labs, benchmarks and tests, into build/release
	@.ci/build $(PRESET) all

# What the labs run, and no tests or benchmarks.
labs: setup
	@.ci/build $(PRESET) labs

# Every test, and the programs that tests start.
tests: setup
	@.ci/build $(PRESET) tests

build-cost: ## what the last build spent where: the costliest units, and the sum of each target
	@.ci/build-cost $(BUILD)

lint: setup ## formatting, and clang-tidy over the libraries
	@.ci/install .ci/packages-lint.txt
	@.ci/build $(PRESET)
	@.ci/lint

ablate: labs ## each fix alone, all but each, and the wrong fixes: what each one bought (about 40 minutes)
	@mkdir -p out
	@$(BIN)/order_service ablate --json out/ablation.json
	@$(BIN)/gc_pause ablate --heap 512MiB --period 3s --periods 6 --json out/gc_pause-ablation.json
	@$(BIN)/order_batch ablate --orders-total 5000 --json out/order_batch-ablation.json
	@$(BIN)/order_statistics ablate --steady 15 --rush 5 --json out/order_statistics-ablation.json

verdicts: labs ## how often both verdicts hold here, idle and beside a busy neighbour: N=20, FLAGS=--profile (hours for 20)
	@mkdir -p out
	@.ci/install .ci/packages-picture.txt
	@labs/verdicts/verdicts.py -n $(or $(N),20) $(FLAGS) --json out/verdicts.json --lab "$(BIN)/order_service" --lab "$(BIN)/gc_pause"; \
	  status=$$?; [ $$status -le 1 ] || exit $$status; \
	  labs/verdicts/picture.sh out/verdicts.json out/verdicts.svg && echo "picture: out/verdicts.svg" && exit $$status

list: labs ## the fixes, the wrong fixes and the mechanisms
	@$(BIN)/order_service list
	@$(BIN)/gc_pause list
	@$(BIN)/order_batch list
	@$(BIN)/order_statistics list

LABS ?= order_service gc_pause order_batch order_statistics
bench: setup ## each before/after pair as a benchmark, with calls and bytes: LABS=order_service FLAGS=--benchmark_filter=items
	@mkdir -p out
	@.ci/build $(PRESET) $(LABS:%=%_bench)
	@for lab in $(LABS); do \
	  $(BIN)/$${lab}_bench $(FLAGS) --benchmark_out=out/bench-$$lab.json --benchmark_out_format=json || exit; done

bench-conversion: build ## heap2pprof against jeprof on a dump of 60,000 stacks (about a minute)
	@$(BIN)/conversion_bench $(BIN)/many_stacks $(BIN)/heap2pprof out/bench-conversion

bench-snapshot: build ## how long a heap profile of 2 GB of live blocks holds up request threads, against jemalloc's own dump
	@mkdir -p out
	@LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=prof:true $(BIN)/snapshot_bench --folder out

bench-allocators: build ## the allocators against their peers and the ideal: ratios against targets, a picture (about a minute)
	@mkdir -p out
	@$(BIN)/allocators_bench --json=out/bench-allocators.json; status=$$?; [ $$status -le 1 ] || exit $$status; \
	  .ci/install .ci/packages-picture.txt && allocators/bench/picture.sh out/bench-allocators.json out/bench-allocators.svg && \
	  echo "picture: out/bench-allocators.svg" && exit $$status

bench-purge-trace: build ## what tracing purges costs: off, on, on with the profile of pauses, interleaved
	@$(BIN)/purge_trace_bench

bench-retention: build ## what a retention policy costs, idle and under load, on each allocator: ratios
	@$(BIN)/retention_bench

sanitize: setup ## every unit test under AddressSanitizer and UBSan, then under ThreadSanitizer (about 10 minutes with builds)
	@mkdir -p build
	@for preset in asan tsan; do .ci/build $$preset test_programs && \
	  ctest --test-dir build/$$preset --output-on-failure --no-tests=error -j 2 || exit 1; done

FUZZ_SECONDS ?= 60
FUZZERS := legacy_heap pprof_import function_name debug_request connection operation_program
fuzz: setup-fuzz ## every fuzz target for FUZZ_SECONDS, two at a time, from its seeds and what earlier runs found
	@.ci/build fuzz $(FUZZERS:%=%_fuzz)
	@printf '%s\n' $(FUZZERS) | xargs -P 2 -I{} sh -c 'mkdir -p build/fuzz/corpus/{} && \
	  build/fuzz/bin/{}_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=100000 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
	    -artifact_prefix=build/fuzz/{}- build/fuzz/corpus/{} tests/fuzz/seeds/{} || exit 255'

CONFORMANCE := plateau_agent plateau_sampler odd_host odd_host_own_malloc
host-conformance: setup ## that a program's outcome is the same with the agent: Debian's programs, and odd hosts (about six minutes)
	@tests/conformance/install.sh
	@.ci/build $(PRESET) $(CONFORMANCE)
	@tests/conformance/host_conformance.py --bin $(BIN) $(CONFORMANCE_FLAGS)

leaks: build ## leakdemo: twenty-three leaks under eight detectors, which it installs; a table and out/leaks.html
	@.ci/install .ci/packages-leaks.txt
	@mkdir -p out
	@$(BIN)/leakdemo matrix --json out/leaks.json --html out/leaks.html > out/leaks.txt; status=$$?; cat out/leaks.txt; \
	  [ $$status -eq 0 ] && echo "as a page: out/leaks.html" || exit $$status

measured-leaks: leaks ## writes anew the table that leakdemo's README quotes
	@cp out/leaks.txt leakdemo/measured.txt

bench-profiling: build ## what heap profiling costs the order service: on, off, inactive, interleaved
	@.ci/install .ci/packages-picture.txt
	@labs/order_service/bench-profiling.sh $(abspath $(BIN)) $(or $(ROUNDS),10)

pprof: ## pprof's web UI on a heap profile: make pprof PROFILE=out/profiles/before-peak.pb.gz
	@test -n "$(PROFILE)" || { echo "plateau: say which: make pprof PROFILE=out/profiles/before-peak.pb.gz" >&2; exit 2; }
	@test -r "$(PROFILE)" || { echo "plateau: cannot read $(PROFILE); make run writes profiles into out/profiles" >&2; exit 2; }
	@$(MAKE) --no-print-directory build/pprof
	@build/pprof -http=$(or $(PPROF_ADDRESS),127.0.0.1:8080) $(PPROF_FLAGS) "$(PROFILE)"

measured: labs ## writes anew what the order service's README quotes: both experiments (about 12 minutes)
	@mkdir -p out
	@$(BIN)/order_service --json out/order_service.json > out/measured.txt
	@$(BIN)/order_service ablate --json out/ablation.json >> out/measured.txt
	@cp out/measured.txt labs/order_service/measured.txt

measured-batch: labs ## writes anew what the order batch's README quotes (about eight minutes)
	@mkdir -p out
	@$(BIN)/order_batch --json out/order_batch.json > out/measured-batch.txt
	@$(BIN)/order_batch ablate --orders-total 5000 --json out/order_batch-ablation.json >> out/measured-batch.txt
	@cp out/measured-batch.txt labs/order_batch/measured.txt

matrix: labs ## the order batch with 1 to 16 workers on each allocator: memory, CPU and foreign frees (about three minutes)
	@mkdir -p out
	@$(BIN)/order_batch ablate --matrix --orders-total 2000 --json out/order_batch-matrix.json > out/matrix.txt; status=$$?; \
	  sed -n '/^Threads by allocators/,$$p' out/matrix.txt; exit $$status

measured-matrix: matrix ## writes anew the matrix that the order batch's README quotes
	@sed -n '/^Threads by allocators/,/^$$/p' out/matrix.txt > labs/order_batch/measured-matrix.txt

foreign-frees: labs ## threads that allocate and others that only free, on each allocator: where the memory is (a minute)
	@for library in "" libjemalloc.so.2 libtcmalloc.so.4 $(BIN)/libplateau_sampler.so:libmimalloc.so.2; do \
	  LD_PRELOAD=$$library $(BIN)/foreign_frees || exit; echo; \
	  LD_PRELOAD=$$library $(BIN)/foreign_frees --producers 10 --freers 64 --bytes 2KiB --most-bytes 32KiB --live 16MiB --turns 100 || exit; echo; done

measured-statistics: labs ## writes anew what the order statistics' README quotes (about 15 minutes)
	@mkdir -p out
	@$(BIN)/order_statistics --json out/order_statistics.json > out/measured-statistics.txt; status=$$?; [ $$status -le 1 ]
	@$(BIN)/order_statistics ablate --steady 15 --rush 5 --json out/order_statistics-ablation.json >> out/measured-statistics.txt
	@cp out/measured-statistics.txt labs/order_statistics/measured.txt

picture: ## the picture of the README, from out/order_service.json
	@test -r out/order_service.json || { echo "plateau: make run first; it writes out/order_service.json" >&2; exit 2; }
	@.ci/install .ci/packages-picture.txt
	@jq -e '.arms[0].outcome == "oom_killed"' out/order_service.json > /dev/null || \
	  { echo "plateau: in out/order_service.json the kernel did not kill, so this picture cannot be drawn" >&2; exit 2; }
	@for arm in 0 1; do jq -r ".arms[$$arm].memory.series[] | [.t / 3600, .rss / 1e6] | @tsv" out/order_service.json > out/rss-$$arm.tsv; done
	@gnuplot -e "before_file='out/rss-0.tsv'; after_file='out/rss-1.tsv'; output_file='labs/order_service/rss.svg'; \
	  limit_mb=$$(jq '.arms[0].limit.bytes / 1e6' out/order_service.json); \
	  killed_hour=$$(jq '.arms[0].simulated_seconds / 3600' out/order_service.json)" labs/order_service/rss.gnuplot

build/pprof: | setup-pprof
	@mkdir -p build
	@GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$(CURDIR)/build/go-cache" go build -o $@ github.com/google/pprof

# golang.org/x/time/rate, which the limiter is held against.
build/rate_original: tests/labs/limiter/rate_original.go | setup-limiter
	@mkdir -p build
	@GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$(CURDIR)/build/go-cache" go build -o $@ $<

setup:
	@.ci/install

# Packages of npm come from elsewhere too (NodeSource), and then Debian's cannot be installed beside them.
setup-pages:
	@command -v npm > /dev/null || .ci/install .ci/packages-pages.txt

setup-browser:
	@.ci/install .ci/packages-browser.txt

setup-fuzz: setup
	@.ci/install .ci/packages-fuzz.txt

setup-limiter:
	@.ci/install .ci/packages-limiter.txt

setup-pprof:
	@.ci/install .ci/packages-pprof.txt

format: ## clang-format over all sources
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

clean: ## removes build/ and out/
	@rm -rf build out
