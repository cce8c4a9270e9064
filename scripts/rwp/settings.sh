# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where everything lies: sourced by every shell script here, the only place
# that knows paths and the variables a user may set.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

# What root needs to install packages is there, which plain `su` leaves out.
export PATH=$PATH:/usr/sbin:/sbin

RWP_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RWP_SCRIPTS=$RWP_TOP/scripts/rwp

# What a user may set.
QEMU_SRC=${QEMU_SRC:-}          # a QEMU 10.0.x tree, instead of Debian's source
RWP_KERNEL=${RWP_KERNEL:-}      # a bzImage with RWP, instead of Debian's kernel
RWP_MODULES=${RWP_MODULES:-}    # its lib/modules/VERSION folder
RWP_CACHE=${RWP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/qemu-rwp}
# As seen from here: scripts that this one starts may do so from elsewhere.
for rwp_path in QEMU_SRC RWP_KERNEL RWP_MODULES RWP_CACHE; do
    case ${!rwp_path} in
    '' | /*) ;;
    *) printf -v "$rwp_path" '%s' "$PWD/${!rwp_path}" ;;
    esac
done
RWP_MODULES=${RWP_MODULES%/}

# Shared by all clones of one user: nothing is fetched or compiled twice.
RWP_DOWNLOAD=$RWP_CACHE/download
RWP_PYTHON=/usr/bin/python3     # never a pyenv or conda one that comes first in PATH

# Inside this clone.
RWP_BUILD=$RWP_TOP/build
RWP_LOGS=$RWP_BUILD/logs
RWP_TREE=$RWP_BUILD/qemu            # QEMU's source, patched, overlay linked in
RWP_QEMU_BUILD=$RWP_TREE/build      # where QEMU's own ninja works
RWP_VM=$RWP_BUILD/vm                # the outer VM's pieces
RWP_PATCHES=$RWP_TOP/qemu-patches

RWP_QEMU_SERIES=10.0                # the QEMU series that the patches are for
RWP_QEMU_TESTED=10.0.13
RWP_SUITE=trixie                    # Debian suite of QEMU's source
RWP_KERNEL_SUITE=trixie-backports   # ... and of the kernel
RWP_KERNEL_MIN=7.3                  # the first one with RWP

# meson and pycotap come from the cache where the system has no recent ones.
export PYTHONPATH=$RWP_CACHE/meson/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}

# One cache for all clones: paths below build/qemu are made relative, and the
# folder that the compiler runs in is left out of the hash.
export CCACHE_DIR=${CCACHE_DIR:-$RWP_CACHE/ccache}
export CCACHE_BASEDIR=$RWP_TREE
export CCACHE_NOHASHDIR=1

# All of these are part of what the compiler's cache goes by.
unset LC_CTYPE LC_MESSAGES
export LANG=C.UTF-8 LC_ALL=C.UTF-8
