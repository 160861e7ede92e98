# What a user types. Everything is out of the source tree, in build/.
#
#   make build   configure and build everything into build/bin
#   make demo    install what is missing, build, compile and train the example on four CPU ranks
#   make test    install what is missing, build, run all tests
#   make format  clang-format all sources

BUILD ?= build
DEMO_STEPS ?= 200

.PHONY: build demo test deps format docs

deps:
	@scripts/install-deps.sh

$(BUILD)/build.ninja:
	cmake --preset default -B $(BUILD)

build: deps $(BUILD)/build.ninja
	cmake --build $(BUILD)

demo: build
	examples/digits/demo.sh $(BUILD) $(DEMO_STEPS)

test: build
	python3 test/run.py --build $(BUILD)

docs: $(BUILD)/build.ninja
	cmake --build $(BUILD) --target docs

format:
	git ls-files '*.h' '*.cpp' | xargs clang-format-22 -i
