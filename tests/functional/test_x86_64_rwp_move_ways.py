#!/usr/bin/env python3
#
# Moving in all ways that memory can be sent
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_move import HUGETLB, MEMFD, Move, MoveTest, add_tests


MOVES = {
    'multifd': Move(capabilities=('multifd',)),
    'multifd_memfd': Move(MEMFD, MEMFD, capabilities=('multifd',)),
    'multifd_hugetlb': Move(HUGETLB, HUGETLB, capabilities=('multifd',)),
    'xbzrle': Move(capabilities=('xbzrle',)),
    'xbzrle_hugetlb': Move(HUGETLB, HUGETLB, capabilities=('xbzrle',)),
    'return_path': Move(capabilities=('return-path', 'switchover-ack')),
    'auto_converge': Move(capabilities=('auto-converge',)),
    'file': Move(how='file'),
    'mapped_ram': Move(how='file', capabilities=('mapped-ram',)),
    'mapped_ram_memfd': Move(MEMFD, MEMFD, 'file', ('mapped-ram',)),
    'mapped_ram_hugetlb': Move(HUGETLB, HUGETLB, 'file', ('mapped-ram',)),
    'mapped_ram_multifd': Move(how='file',
                               capabilities=('mapped-ram', 'multifd')),
    'preempt': Move(how='postcopy', capabilities=('postcopy-preempt',)),
    'preempt_hugetlb': Move(HUGETLB, HUGETLB, 'postcopy',
                            ('postcopy-preempt',)),
}


class MoveWays(MoveTest):
    """The table, line by line."""


add_tests(MoveWays, MOVES)


if __name__ == '__main__':
    QemuSystemTest.main()
