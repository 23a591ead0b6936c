# The front door.  The build itself is Meson's; see docs/building.md.

BUILD ?= build
BUILD_WINDOWS ?= build-windows
# Where users will find the zip, for winget's manifests; without, these are a draft.
RELEASE_URL ?=
PREFIX ?= /usr/local

# Real vendor data for some tests, where a developer has it; they are skipped without.
HVGPU_TEST_DATA ?= $(wildcard $(abspath ../shared/data))
export HVGPU_TEST_DATA

help:
	@echo 'make demo      install what is missing, build, and run the main job on a simulated host'
	@echo 'make test      install what is missing, build, and run all tests'
	@echo 'make           build (into $(BUILD)/)'
	@echo 'make windows   hvgpu.exe, zipped for users (into $(BUILD_WINDOWS)/dist/)'
	@echo 'make install   install to PREFIX ($(PREFIX)); DESTDIR is honoured'
	@echo 'make format    lay the code out with clang-format'
	@echo 'make fuzz      fuzz every parser, SECONDS each (60)'
	@echo 'make bench     measure; results are explained in bench/README.md'
	@echo 'make clean     remove what was built'

.DEFAULT_GOAL := all

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/packages.sh tools/packages.txt
	meson setup --prefix $(PREFIX) $(BUILD)

demo: all
	@tools/demo.sh $(BUILD)

test: test-packages all
	meson test -C $(BUILD) --print-errorlogs

test-packages:
	@tools/packages.sh tools/packages.txt tools/packages-test.txt

windows:
	@tools/packages.sh tools/packages.txt tools/packages-windows.txt
	@tools/windows-package.sh $(BUILD_WINDOWS) $(RELEASE_URL)

install: all
	meson install -C $(BUILD) --no-rebuild

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

SECONDS ?= 60
fuzz: test-packages
	@tools/fuzz.sh $(SECONDS)

bench: all
	@bench/run.sh $(BUILD)

clean:
	rm -rf $(BUILD) $(BUILD_WINDOWS) build-fuzz

.PHONY: help all demo test test-packages windows install format fuzz bench clean
