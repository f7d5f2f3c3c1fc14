# The front door. `make help` lists the doors behind it.
PREFIX ?= /usr/local
BUILD := build
CACHE := $(or $(FACEPAIR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/facepair)
C_FILES = $(shell git ls-files '*.c' '*.h' '*.cpp' '*.hpp' '*.cu')
LINE = @printf '  %-16s %s\n'

.PHONY: help setup setup-test setup-cuda build models run test check-deploy image fleet asan tsan fuzz coverage contract parity-full load chaos soak bench bench-train bench-peers format format-check lint install clean

help:
	$(LINE) 'make run' 'set up, build and serve on 127.0.0.1:8080 (ARGS="--listen …" passes options)'
	$(LINE) 'make test' 'set up, build and run the whole suite (FACEPAIR_LFW=FOLDER adds the tests on LFW)'
	$(LINE) 'make check-deploy' 'chart, manifests, image recipe, alerts and dashboard (downloads about 150 MB)'
	$(LINE) 'make image' 'the image of the Dockerfile without Docker, and that it answers (needs root)'
	$(LINE) 'make fleet' 'a control and two serving instances behind HAProxy: promotion, restarts, kills'
	$(LINE) 'make setup' 'Debian packages, libtorch and the weights (kept in $(CACHE))'
	$(LINE) 'make setup-cuda' 'besides, what --device cuda:N needs (2.1 GB from PyPI)'
	$(LINE) 'make build' 'only build: build/facepair'
	$(LINE) 'make models' 'import the default model and dlib-resnet-plus into data/'
	$(LINE) 'make bench' 'the time of each stage and of the whole, with ratios'
	$(LINE) 'make bench-train' 'what a step of training costs with the frozen part kept (minutes)'
	$(LINE) 'make bench-peers' 'the same pairs through DeepFace'"'"'s API (downloads about 1 GB)'
	$(LINE) 'make asan' 'the suite under AddressSanitizer and UBSan'
	$(LINE) 'make tsan' 'the service on the network of the tests, and what threads share, under ThreadSanitizer'
	$(LINE) 'make fuzz' 'each parser of bytes for a minute (FUZZ_SECONDS=600: ten)'
	$(LINE) 'make coverage' 'lines of our parsers that corpora and unit tests run, file by file'
	$(LINE) 'make contract' 'Schemathesis: what openapi.yaml allows and forbids, in generated requests'
	$(LINE) 'make load' '100 swaps under 16 clients, 50 writers killed at random moments, and 50 trainers and servers'
	$(LINE) 'make chaos' 'overload, slow and hostile clients, 1,024 connections, restarts behind HAProxy, kills (30 minutes)'
	$(LINE) 'make soak' '30 minutes at 70 % load (MINUTES=N)'
	$(LINE) 'make parity-full' 'the notebook'"'"'s network of 64 million parameters against timm (downloads about 3 GB)'
	$(LINE) 'make format' 'clang-format over the tree'
	$(LINE) 'make lint' 'formatting check, shellcheck, cppcheck, clang-tidy (minutes)'
	$(LINE) 'make install' 'to PREFIX=$(PREFIX) (below DESTDIR, when set)'

setup:
	@setup/setup

setup-test:
	@setup/setup test

setup-cuda: setup
	@setup/cuda

build: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --target facepair

$(BUILD)/build.ninja:
	@cmake --preset default

MODELS := data/models/dlib-resnet/active data/models/dlib-resnet-plus/active
models: $(MODELS)

$(MODELS) &: | build
	@$(BUILD)/facepair import dlib --weights $(CACHE)/weights/dlib_face_recognition_resnet_model_v1.dat \
	    --landmarks $(CACHE)/weights/shape_predictor_5_face_landmarks.dat --data data

run: setup build models
	@exec $(BUILD)/facepair serve $(ARGS)

test: setup-test build models
	@cmake --build $(BUILD) && ctest --test-dir $(BUILD) --output-on-failure --test-output-size-passed 1000000 \
	    --output-junit $(CURDIR)/$(BUILD)/junit.xml

check-deploy: setup-test build
	@cmake --build $(BUILD) --target facepair-stub store_tool && tests/deploy/run $(BUILD)

image:
	@tests/image/build

fleet: setup-test build models
	@setup/packages deploy && tests/load/fleet.py --build $(BUILD)

asan: setup-test build models
	@cmake --preset asan && cmake --build build-asan && ctest --test-dir build-asan --output-on-failure

tsan: setup-test build models
	@cmake --preset tsan && setup/tsan

coverage:
	@setup/setup && setup/packages fuzz && cmake --preset coverage && setup/coverage 90

contract: setup-test build
	@cmake --build $(BUILD) --target facepair-stub && tests/contract/run.sh $(BUILD) --examples 200

fuzz:
	@setup/setup && setup/packages fuzz && cmake --preset fuzz && cmake --build build-fuzz --target fuzzers && setup/fuzz $(or $(FUZZ_SECONDS),60)

parity-full: setup-test build
	@setup/packages peers && cmake --build $(BUILD) --target vit_embed && tests/parity/vit/full.sh $(BUILD)

load: setup-test build models
	@cmake --build $(BUILD) && tests/load/swaps.py --build $(BUILD) && tests/load/kill_publish.py --build $(BUILD) \
	    && tests/load/kill_jobs.py --build $(BUILD)

chaos: setup-test build models
	@cmake --build $(BUILD) && failed=; for program in overload.py "overload.py --real" abandoned.py connections.py \
	    slow_clients.py "slow_clients.py --real" rolling.py hostile.py "kill_record.py --kills 100"; do \
	    echo "== $$program"; tests/load/$$program --build $(BUILD) || failed="$$failed, $$program"; done; \
	    [ -z "$$failed" ] || { echo "missed:$${failed#,}"; exit 1; }

soak: setup-test build models
	@cmake --build $(BUILD) && tests/load/soak.py --build $(BUILD) --real --minutes $(or $(MINUTES),30)

bench: setup-test build models
	@cmake --build $(BUILD) && tests/bench/bench.py --build $(BUILD)

bench-train: setup build
	@cmake --build $(BUILD) --target bench_train_cache && $(BUILD)/tests/bench/bench_train_cache

bench-peers: setup-test build models
	@tests/bench/peers.sh $(BUILD)

format:
	@setup/packages format && clang-format -i $(C_FILES)

format-check:
	@setup/packages format && clang-format --dry-run --Werror $(C_FILES)

lint: format-check
	@setup/setup && setup/packages lint && cmake --preset lint && setup/lint build-lint

install: build models
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-*
