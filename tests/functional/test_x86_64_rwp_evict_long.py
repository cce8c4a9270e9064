#!/usr/bin/env python3
#
# Cold memory of a Linux guest goes: other memory, and until it goes again
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_evict import ColdMemoryTest


class EvictLong(ColdMemoryTest):

    def test_contiguous_huge_pages(self):
        # A single huge page weighs a lot.
        self.check_cold_memory('contiguous', 'on', 10, True, thp='on')

    def test_memfd(self):
        self.check_cold_memory('scattered', 'off', 5, True, share='on')


if __name__ == '__main__':
    QemuSystemTest.main()
