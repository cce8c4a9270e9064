# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a user may give instead of what is fetched: QEMU_SRC, RWP_KERNEL and
# RWP_MODULES. Checked before anything that takes long, and where it is used.
# Sourced after report.sh.
# shellcheck shell=bash

# check_source DIR: is it a QEMU that the patches are for?
check_source() {
    local dir=$1 version
    [ -d "$dir" ] || die "QEMU_SRC=$dir is not a folder." "Give the top folder of a QEMU $RWP_QEMU_SERIES.x tree."
    [ -f "$dir/VERSION" ] && [ -f "$dir/configure" ] && [ -f "$dir/meson.build" ] ||
        die "QEMU_SRC=$dir is not a QEMU source tree (it has no VERSION, configure and meson.build)." \
            "Give the top folder of an unpacked QEMU $RWP_QEMU_SERIES.x, or leave QEMU_SRC empty for Debian's source."
    # What Debian calls +ds is a release without its firmware; Debian's patches
    # teach the build to do without.
    [ -e "$dir/pc-bios/edk2-x86_64-code.fd.bz2" ] || ! grep -qx 'if unpack_edk2_blobs' "$dir/pc-bios/meson.build" ||
        die "QEMU_SRC=$dir was stripped of its firmware (pc-bios/*.bz2), it does not build." \
            "Give QEMU's own release or git tree, or Debian's with Debian's patches (dpkg-source -x), or leave QEMU_SRC empty."
    version=$(cat "$dir/VERSION")
    case $version in
    "$RWP_QEMU_TESTED" | "$RWP_QEMU_SERIES".*) ;;
    *) die "$dir is QEMU $version; the patches are for $RWP_QEMU_SERIES.x." \
           "Give a QEMU $RWP_QEMU_SERIES.x tree with QEMU_SRC=, or leave it empty for Debian's source." ;;
    esac
}

# kernel_version FILE: the version that a bzImage carries, nothing if it is none.
kernel_version() {
    local magic offset
    magic=$(dd if="$1" bs=1 skip=514 count=4 2>/dev/null | tr -d '\0')
    [ "$magic" = HdrS ] || return 0
    # Where the string is: 16 bits at 0x20e, counted from 0x200.
    offset=$(od -An -tu2 -j526 -N2 "$1")
    dd if="$1" bs=1 skip=$((offset + 512)) count=100 2>/dev/null | tr '\0' ' ' | cut -d' ' -f1
}

# check_kernel FILE MODULES: are they a kernel and its modules?
check_kernel() {
    local file=$1 modules=$2 version
    [ -f "$file" ] || die "RWP_KERNEL=$file is not a file." "Give a Linux $RWP_KERNEL_MIN bzImage, or leave it empty for Debian's."
    [ -r "$file" ] || die "RWP_KERNEL=$file cannot be read by $(id -un)." "Make it readable (chmod a+r), or give a copy."
    version=$(kernel_version "$file")
    [ -n "$version" ] || die "RWP_KERNEL=$file is not a bzImage of Linux for x86." \
        "Give arch/x86/boot/bzImage of a kernel tree, or a distribution's vmlinuz."
    [ -n "$modules" ] || return 0
    [ -d "$modules/kernel" ] || die "RWP_MODULES=$modules is no lib/modules/VERSION folder (it has no kernel/ in it)." \
        "Give the folder that belongs to RWP_KERNEL."
    [ "$(basename "$modules")" = "$version" ] ||
        die "RWP_MODULES=$modules are not the modules of RWP_KERNEL=$file, which is Linux $version." \
            "Give the folder lib/modules/$version."
}
