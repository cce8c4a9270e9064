#!/usr/bin/env python3
#
# Cold memory of a Linux guest goes, and what is used stays
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_evict import ColdMemoryTest


class Evict(ColdMemoryTest):

    def test_scattered_base_pages(self):
        self.check_cold_memory('scattered', 'off', 5, False, thp='off')


if __name__ == '__main__':
    QemuSystemTest.main()
