#!/usr/bin/env python3
#
# Moving between memory of all kinds
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_move import ANON, HUGETLB, MEMFD, THP, Move, MoveTest, add_tests


MOVES = {
    'precopy_anon': Move(),
    'precopy_thp': Move(THP, THP),
    'precopy_memfd': Move(MEMFD, MEMFD),
    'precopy_hugetlb': Move(HUGETLB, HUGETLB),
    'precopy_anon_memfd': Move(ANON, MEMFD),
    'precopy_memfd_thp': Move(MEMFD, THP),
    'precopy_hugetlb_anon': Move(HUGETLB, ANON),
    'postcopy_anon': Move(how='postcopy'),
    'postcopy_thp': Move(THP, THP, 'postcopy'),
    'postcopy_memfd': Move(MEMFD, MEMFD, 'postcopy'),
    'postcopy_hugetlb': Move(HUGETLB, HUGETLB, 'postcopy'),
    'postcopy_memfd_anon': Move(MEMFD, ANON, 'postcopy'),
}


class Moves(MoveTest):
    """The table, line by line."""


add_tests(Moves, MOVES)


if __name__ == '__main__':
    QemuSystemTest.main()
