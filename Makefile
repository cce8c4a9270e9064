# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thin: each target is one script of scripts/rwp, which does its own set-up.

.DEFAULT_GOAL := help
.PHONY: help demo check check-full bench soak build shell series series-check checkpatch clean

# A user's choices, on the command line or in the environment.
export QEMU_SRC RWP_KERNEL RWP_MODULES RWP_CACHE

S := scripts/rwp

help:
	@echo 'make demo          watch QEMU tell the working set of a real guest, on a real Linux with RWP'
	@echo 'make check         build and run all tests of every day; T=NAME: those whose name contains NAME'
	@echo 'make check-full    the long tests too'
	@echo 'make bench         what tracking, evicting and moving cost, as tables'
	@echo 'make soak          the tests on a kernel with RWP again and again; MINUTES=60'
	@echo 'make build         QEMU with the overlay and the patches, in build/qemu/build; the outer VM, in build/vm'
	@echo 'make shell         a shell in the outer VM'
	@echo 'make series        build/qemu-rwp.mbox, for git am on a pristine QEMU 10.0.x'
	@echo 'make series-check  apply it to a pristine tree and build after every patch'
	@echo 'make checkpatch    QEMU'"'"'s style check over the series'
	@echo 'make clean         remove build/; what was fetched stays in the cache'
	@echo
	@echo 'QEMU_SRC=DIR       a QEMU 10.0.x tree, instead of the source package of Debian 13'
	@echo 'RWP_KERNEL=FILE RWP_MODULES=DIR   a Linux 7.3 bzImage and its lib/modules/VERSION'
	@echo 'RWP_CACHE=DIR      where downloads and the compiler cache are kept (~/.cache/qemu-rwp)'
	@echo 'RWP_WHERE=host|vm  where tests that need RWP run (default: here if the host can, else the VM)'

build:
	@$S/build

demo:
	@$S/demo

# A fresh machine may have no Python yet, which some of the scripts are written in.
.PHONY: python
python:
	@[ -x /usr/bin/python3 ] || $S/packages

check: python
	@$S/check $(foreach t,$(T),--only $t)

check-full: python
	@$S/check --full

bench:
	@$S/packages bench
	@$S/build
	@/usr/bin/python3 tests/rwp/bench/run.py

soak: python
	@$S/check --soak $(or $(MINUTES),60)

shell: build
	@$S/vm-run --shell

series: python
	@$S/series

series-check: python
	@$S/series-check

checkpatch: python
	@$S/checkpatch

clean:
	rm -rf build
