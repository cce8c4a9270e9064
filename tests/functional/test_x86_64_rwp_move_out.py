#!/usr/bin/env python3
#
# Moving when most of the memory is in swap
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_move import ANON, MEMFD, THP, Move, MoveTest, add_tests


MOVES = {
    'precopy': Move(out=True),
    'precopy_thp': Move(THP, THP, out=True),
    'precopy_memfd': Move(MEMFD, MEMFD, out=True),
    'precopy_memfd_anon': Move(MEMFD, ANON, out=True),
    'multifd': Move(capabilities=('multifd',), out=True),
    'xbzrle': Move(capabilities=('xbzrle',), out=True),
    'file': Move(how='file', out=True),
    'mapped_ram': Move(how='file', capabilities=('mapped-ram',), out=True),
    'mapped_ram_multifd': Move(
        how='file', capabilities=('mapped-ram', 'multifd'), out=True),
    'postcopy': Move(how='postcopy', out=True),
    'postcopy_memfd': Move(MEMFD, MEMFD, 'postcopy', out=True),
    'preempt': Move(how='postcopy', capabilities=('postcopy-preempt',),
                    out=True),
}


class MoveOut(MoveTest):
    """The table, line by line."""


add_tests(MoveOut, MOVES)


if __name__ == '__main__':
    QemuSystemTest.main()
