#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/working-set-ages.py on files whose contents are known."""

import json
from pathlib import Path
import struct
import subprocess
import sys
import unittest

import pycotap


PROGRAM = Path(__file__).resolve().parents[2] / 'scripts/working-set-ages.py'

def header(page_size=4096):
    """What the file says of the backend: 64 MiB, 7 intervals of 30 s."""
    return struct.pack('<8sIIQQQQ16s', b'QEMUAGES', 1, 64, page_size, 7, 30000,
                       64 << 20, bytes(16))


HEADER = header()
NOT_MAPPED = (1 << 64) - 1


def record(gpa, offset, units, age, flags=0):
    """A record, as docs/system/working-set.rst has it; a unit is 4 KiB."""
    return struct.pack('<QQIHH', gpa, offset, units, age, flags)


END = record(0, 0, 0, 0)


def run(data, *options):
    """The program, fed with @data."""
    return subprocess.run([sys.executable, str(PROGRAM), *options, '-'],
                          input=data, capture_output=True, check=False)


class WorkingSetAgesTest(unittest.TestCase):
    """What is read, and what is refused."""

    def refused(self, data, reason):
        """@data is not taken, for @reason."""
        result = run(data)
        self.assertEqual(result.returncode, 1)
        self.assertIn(reason, result.stderr.decode())
        self.assertNotIn('Traceback', result.stderr.decode())

    def test_summary(self):
        data = HEADER + record(0, 0, 160, 200) \
            + record(0x100000, 0x100000, 512, 0, 1) \
            + record(0x300000, 0x300000, 10, 1) \
            + record(0x400000, 0x400000, 6, 3) \
            + record(NOT_MAPPED, 0x500000, 16, 9) + END
        answer = json.loads(run(data, '--json', '--windows', '1,60,9000')
                            .stdout)
        self.assertEqual(answer['size'], 64 << 20)
        self.assertEqual(answer['present'], (160 + 512 + 10 + 6 + 16) * 4096)
        self.assertEqual(answer['huge'], 512 * 4096)
        self.assertEqual(answer['not-mapped'], 16 * 4096)
        self.assertEqual([entry['bytes'] // 4096
                          for entry in answer['idle-ages']],
                         [512, 10, 6, 0, 16, 0, 0, 0, 0, 160])
        self.assertEqual(answer['working-set'], [
            {'seconds': 1, 'bytes': 512 * 4096, 'complete': True},
            {'seconds': 60, 'bytes': 522 * 4096, 'complete': True},
            {'seconds': 9000, 'bytes': 544 * 4096, 'complete': False}])

    def test_text(self):
        data = HEADER + record(0x100000, 0x100000, 512, 0, 1) \
            + record(NOT_MAPPED, 0x500000, 16, 200) + END
        text = run(data, '--ranges', '--map', '--cell', '1M').stdout.decode()
        self.assertIn('0x0000100000 0x0000100000     2.0 MiB     0  huge\n',
                      text)
        self.assertIn('           - 0x0000500000    64.0 KiB  200+\n', text)
        self.assertIn('0x0000000000 | @@   ', text)

    def test_many_records(self):
        # More than are read at a time.
        runs = 10000
        data = HEADER + b''.join(record(2 * i << 12, 2 * i << 12, 1, i % 2)
                                 for i in range(runs // 2)) \
            + b''.join(record(NOT_MAPPED, 4096, 1, 5)
                       for i in range(runs // 2)) + END
        answer = json.loads(run(data, '--json').stdout)
        self.assertEqual(answer['present'], runs * 4096)

    def test_huge_pages(self):
        # Two places in the guest's memory share the huge page at 2 MiB.
        data = header(2 << 20) + record(0, 2 << 20, 160, 3) \
            + record(0xc0000, 0x2c0000, 320, 3) + END
        answer = json.loads(run(data, '--json', '--ranges').stdout)
        self.assertEqual(answer['page-size'], 2 << 20)
        self.assertEqual(answer['present'], 480 * 4096)
        self.assertEqual([entry['size'] for entry in answer['ranges']],
                         [160 * 4096, 320 * 4096])

    def test_nothing_present(self):
        result = run(HEADER + END)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('present      0 B', result.stdout.decode())

    def test_truncated(self):
        data = HEADER + record(0, 0, 160, 200) + END
        for length in range(len(data)):
            self.refused(data[:length],
                         'truncated' if length >= 8 else
                         'not written by export-working-set')

    def test_damaged(self):
        self.refused(b'QCOW' + HEADER[4:] + END, 'not written by')
        self.refused(HEADER[:8] + b'\2' + HEADER[9:] + END,
                     'format version 2 is not known')
        self.refused(HEADER + record(0, 64 << 20, 1, 0) + END, 'damaged')
        self.refused(HEADER + record(0, 0, 1, 201) + END, 'damaged')


if __name__ == '__main__':
    unittest.main(testRunner=pycotap.TAPTestRunner())
