#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""guest-load itself, without a guest: it must find damage, and know its sets."""

import os
from pathlib import Path
import socket
import subprocess
import tempfile
import unittest

import pycotap

from rwp_guest import MIB, GuestLoad, LoadError, poll


PROGRAM = Path(os.environ.get('RWP_ROOT', '.')) / 'bin/guest-load'


class GuestLoadTest(unittest.TestCase):
    """Spoken to as in a guest, over a socket in place of the serial port."""

    def setUp(self):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen([PROGRAM, '-'], stdin=theirs,
                                        stdout=theirs)
        theirs.close()
        self.load = GuestLoad(ours, '/dev/null')
        self.load.wait_ready()

    def tearDown(self):
        self.load.ask('quit', damage_is_fatal=False)
        self.load.close()
        self.assertEqual(self.process.wait(), 0)

    def test_counts_what_it_touches(self):
        self.load.alloc('scattered', hot=2, warm=1)
        self.load.touch('hot', write=100)
        self.load.touch('hot', write=0)
        self.load.touch('hot', write=25)
        status = self.load.status()
        self.assertEqual(status['hot'], 2 * MIB)
        self.assertEqual(status['cold'], 0)
        self.assertEqual(status['hot-rounds'], 3)
        self.assertEqual(status['hot-reads'] + status['hot-writes'], 3 * 512)
        self.assertGreater(status['hot-writes'], 512 + 64)
        self.assertLess(status['hot-writes'], 512 + 256)
        self.assertEqual(status['warm-reads'] + status['warm-writes'], 0)

    def test_disk(self):
        with tempfile.NamedTemporaryFile(dir='/var/tmp') as image:
            image.truncate(8 * MIB)
            self.load.ask(f'disk {image.name} jobs=3')
            poll('three rounds',
                 lambda: self.load.status()['disk-rounds'] >= 3)
            # Another one writes to it: that is seen.
            with open(image.name, 'r+b', buffering=0) as other:
                with self.assertRaisesRegex(LoadError, 'corrupt disk'):
                    while True:
                        other.seek(0)
                        other.write(b'x' * (8 * MIB))
                        self.load.status()
            self.load.ask('disk off', damage_is_fatal=False)

    def test_runs_whole_rounds(self):
        self.load.alloc('contiguous', hot=2, cold=2)
        self.load.ask('run hot write=100 period=20')
        self.load.ask('wait hot rounds=3')
        self.load.ask('swap hot cold')
        rounds = int(self.load.ask('wait hot rounds=2')['rounds'])
        self.assertGreaterEqual(rounds, 5)
        self.load.ask('halt')
        status = self.load.status()
        self.assertEqual(status['hot-running'], 0)
        self.assertEqual(self.load.status()['hot-writes'],
                         status['hot-writes'])

    def test_shuffles(self):
        self.load.alloc('contiguous', hot=1, warm=1)
        self.load.ask('shuffle hot')
        # Each page is still touched once a round, and no other one is.
        self.load.touch('hot', write=100)
        self.assertEqual(self.load.verify(), 512)
        status = self.load.status()
        self.assertEqual((status['hot-writes'], status['warm-writes']),
                         (256, 0))
        # A page that is easily known again has another place.
        self.load.ask('spoil hot page=7')
        self.load.ask('shuffle hot')
        answer = self.load.ask('verify', damage_is_fatal=False)
        self.assertEqual(answer['bad'], '1')
        self.assertNotEqual(answer['first-bad'], 'hot:7')

    def test_pieces(self):
        # Whole ones: the last piece of a set is as large as all others.
        self.load.ask('alloc layout=scattered piece=64K hot=100K warm=1M')
        self.assertEqual(self.load.ask('touch hot write=100')['pages'], '25')
        self.assertEqual(self.load.verify(), 25 + 256)
        with self.assertRaisesRegex(LoadError, 'whole pages'):
            self.load.ask('alloc layout=scattered piece=6K hot=1M')

    def test_finds_damage(self):
        self.load.alloc('scattered', hot=1, warm=1, cold=1)
        self.load.touch('hot', write=50)
        self.assertEqual(self.load.verify(), 768)
        self.load.ask('spoil warm page=200')
        with self.assertRaisesRegex(LoadError, 'set=warm page=200'):
            self.load.verify()

    def test_finds_damage_while_it_runs(self):
        self.load.alloc('scattered', cold=1)
        self.load.ask('run cold check=on period=10')
        self.load.ask('spoil cold page=7')
        with self.assertRaisesRegex(LoadError, 'set=cold page=7'):
            for _ in range(3):
                self.load.ask('wait cold')

    def test_refuses(self):
        for request, reason in (
                ('alloc hot=1X', 'hot=1X is not a number'),
                ('alloc', 'Invalid argument'),
                ('touch hot', 'the set hot is empty'),
                ('touch', 'which set'),
                ('alloc hot=1M layout=heap', 'neither scattered nor contig'),
                ('dance', 'no such command: dance')):
            with self.assertRaisesRegex(LoadError, reason):
                self.load.ask(request)
        self.load.alloc('scattered', hot=1)
        for request, reason in (
                ('touch hot write=101', 'in percent'),
                ('wait hot', 'hot does not run'),
                ('spoil hot page=256', 'only 256 pages')):
            with self.assertRaisesRegex(LoadError, reason):
                self.load.ask(request)


if __name__ == '__main__':
    unittest.main(testRunner=pycotap.TAPTestRunner())
