#!/usr/bin/env python3
#
# What query-working-set says of a Linux guest whose load is known
#
# SPDX-License-Identifier: GPL-2.0-or-later

import time

from qemu_test import QemuSystemTest

from rwp_guest import MANUAL_INTERVAL, MIB, bytes_of_age, pages_of_age
from rwp_test import RwpTest


# How far the answer may be from the truth.
TOLERANCE = 0.10

GUEST_MIB = 384


class WorkingSet(RwpTest):

    def start(self, **backend):
        """Boot a guest; intervals end when the test says so."""
        backend.setdefault('interval', MANUAL_INTERVAL)
        self.guest = self.make_guest('guest', GUEST_MIB, **backend)
        self.guest.boot()
        info = self.guest.working_set()
        self.assertEqual(info['state'], 'active', info)
        return info

    def idle_bytes(self):
        """
        What the guest touches in an interval in which its load does nothing
        but answer the host: the baseline of the measurements that follow.
        """
        self.guest.scan()
        seen = []
        for _ in range(3):
            self.guest.load.status()
            seen.append(self.guest.scan()['accessed'])
        baseline = sorted(seen)[1]
        self.log.info('baseline of the idle guest: %.1f MiB of %s',
                      baseline / MIB, [f'{n / MIB:.1f}' for n in seen])
        return baseline

    def assert_close(self, what, seen, true, baseline):
        """@seen is the known @true set, beside the @baseline."""
        error = (seen - baseline - true) / true
        self.log.info('%s: %.1f MiB seen, %.1f MiB true + %.1f MiB baseline: '
                      '%+.1f %%', what, seen / MIB, true / MIB,
                      baseline / MIB, error * 100)
        self.assertLess(abs(error), TOLERANCE,
                        f'{what}: {seen} bytes were seen, {true} are true, '
                        f'beside a baseline of {baseline}')

    def assert_sums(self, info):
        """The parts of an answer add up."""
        self.assertEqual(info['present'] + info['absent'] + info['untracked'],
                         info['size'])
        for parts in 'idle-ages', 'resolution':
            self.assertEqual(sum(part['bytes'] for part in info[parts]),
                             info['present'], parts)

    def check_hot_set(self, layout, thp, hot_mib, write):
        """
        Touch a set in one interval, and compare the sum and each page with
        what QEMU says.
        """
        load = self.guest.load
        load.alloc(layout, thp=thp, hot=hot_mib, cold=64)
        hot = self.guest.physical_pages('hot')
        cold = self.guest.physical_pages('cold')
        baseline = self.idle_bytes()

        load.touch('hot', write=write)
        info = self.guest.scan()
        exported = self.guest.export()

        self.assert_sums(info)
        self.assert_close('accessed', info['accessed'], hot_mib * MIB,
                          baseline)
        self.check_windows(info)

        seen = pages_of_age(exported['ranges'], 0, 0)
        self.log.info('%d pages of age 0, %d of %d hot ones, %d cold ones',
                      len(seen), len(seen & hot), len(hot), len(seen & cold))
        self.assertFalse(hot - seen, 'hot pages were not seen')
        self.assertFalse(cold & seen, 'cold pages were seen as accessed')
        return info

    def check_windows(self, info):
        """Longer windows hold more, and the longest one all there is."""
        windows = self.guest.working_set(1, 60, 100 * 3600)['working-set']
        sizes = [window['bytes'] for window in windows]
        self.assertEqual(sizes, sorted(sizes))
        self.assertGreaterEqual(sizes[0], info['accessed'])
        self.assertEqual(sizes[-1], info['present'])
        self.assertFalse(windows[-1]['complete'])

    def check_base_pages(self, info):
        """Every access is seen at the resolution of a base page."""
        self.assertEqual(info['page-size'], 4096)
        sizes = {part['page-size']: part['bytes']
                 for part in info['resolution']}
        self.assertEqual(sizes.get(4096), info['present'])

    def test_private_scattered_base_pages(self):
        self.start(thp='off')
        info = self.check_hot_set('scattered', 'off', 48, write=0)
        self.check_base_pages(info)

    def test_memfd_scattered_base_pages(self):
        self.start(share='on')
        info = self.check_hot_set('scattered', 'off', 48, write=50)
        self.check_base_pages(info)

    def test_private_contiguous_huge_pages(self):
        self.start(thp='on')
        # A larger one: at this resolution an idle guest is large, too.
        info = self.check_hot_set('contiguous', 'on', 128, write=50)
        sizes = {part['page-size']: part['bytes']
                 for part in info['resolution']}
        self.assertGreater(sizes.get(2 * MIB, 0), (128 + 64) * MIB,
                           'the sets are not in huge pages')

    def test_idle_ages(self):
        """Hot, warm and never again end up in classes of their own."""
        self.start(thp='off')
        guest = self.guest

        # What was only used at boot shall be older than all sets.
        for _ in range(20):
            guest.scan()
        guest.load.alloc('scattered', hot=32, warm=32, cold=64)
        guest.scan()
        for i in range(9):
            guest.load.touch('hot', write=50)
            if i == 5:
                guest.load.touch('warm')
            info = guest.scan()

        baseline = self.bytes_beside_sets(info)
        self.assert_sums(info)
        self.assert_close('hot', bytes_of_age(info, 0), 32 * MIB, baseline)
        self.assert_close('warm', bytes_of_age(info, 3), 32 * MIB, 0)
        self.assert_close('never again', bytes_of_age(info, 9), 64 * MIB, 0)
        self.check_export(info)

        # Where each page is.
        ranges = guest.export()['ranges']
        for name, low, high in (('hot', 0, 0), ('warm', 3, 3),
                                ('cold', 9, 9)):
            missing = guest.physical_pages(name) - \
                pages_of_age(ranges, low, high)
            self.assertFalse(missing, f'{name} pages have another age')

        # A phase change: what was never to be touched again is hot.
        guest.scan()
        guest.load.ask('swap hot cold')
        guest.load.touch('hot')
        info = guest.scan()
        self.assert_close('hot after the change', info['accessed'], 64 * MIB,
                          baseline)

    def bytes_beside_sets(self, info):
        """
        What the newest interval saw beside all sets: the baseline, measured
        without ageing them.
        """
        seen = pages_of_age(self.guest.export()['ranges'], 0, 0)
        sets = set().union(*(self.guest.physical_pages(name)
                             for name in ('hot', 'warm', 'cold')))
        baseline = len(seen - sets) * info['page-size']
        self.log.info('beside the sets, %.1f MiB were accessed',
                      baseline / MIB)
        return baseline

    def check_export(self, info):
        """The export, read by its tool, says what the query says."""
        exported = self.guest.export()
        for key in ('size', 'page-size', 'epochs', 'interval', 'present',
                    'idle-ages'):
            self.assertEqual(exported[key], info[key], key)
        last = -1
        for entry in exported['ranges']:
            self.assertIsNotNone(entry['gpa'], entry)
            self.assertGreater(entry['gpa'], last, 'not in order')
            last = entry['gpa']

    def test_intervals_of_a_running_guest(self):
        """The guest never pauses; intervals end by themselves."""
        self.start(thp='off')
        guest = self.guest
        guest.load.alloc('scattered', hot=32, cold=64)
        guest.scan()

        guest.set_backend('interval', 3000)
        info = guest.working_set()
        self.assertEqual(info['interval'], 3000)
        # The first one has the end of what was before in it.
        info = guest.next_interval(info['epochs'] + 1)
        baseline = info['accessed']
        self.log.info('baseline of the idle guest: %.1f MiB', baseline / MIB)

        guest.load.ask('run hot write=50')
        guest.load.ask('wait hot rounds=1')

        info = self.interval_with_a_round()
        self.assert_close('while it runs', info['accessed'], 32 * MIB,
                          baseline)

        # Intervals as long as before: none ends but on request.
        guest.load.ask('halt')
        guest.set_backend('interval', MANUAL_INTERVAL)
        epochs = guest.scan()['epochs']
        self.assertEqual(guest.scan()['epochs'], epochs + 1)
        guest.load.touch('hot')
        info = guest.scan()
        self.assert_close('once more', info['accessed'], 32 * MIB, baseline)

    def interval_with_a_round(self):
        """
        Let the guest run until an interval had a whole round of its load in
        it, however slow the machine is that emulates all this.
        """
        guest = self.guest
        for seconds in (3, 3, 3, 6, 6, 12, 24, 48):
            guest.set_backend('interval', seconds * 1000)
            epochs = guest.working_set()['epochs']
            guest.load.ask('wait hot rounds=1')
            info = guest.working_set()
            # The round must not have run into the scan.
            if info['epochs'] == epochs and \
                    info['sample-age'] < seconds * 900:
                info = guest.next_interval(epochs)
                if info['epochs'] == epochs + 1:
                    return info
        self.fail('the load is too slow for intervals of 48 s')

    def test_stopped_guest(self):
        """Time stands still while the guest does."""
        self.start(thp='off')
        guest = self.guest
        guest.load.alloc('scattered', hot=32, cold=64)
        baseline = self.idle_bytes()
        guest.set_backend('interval', 200)
        guest.next_interval(guest.working_set()['epochs'])

        guest.vm.cmd('stop')
        # Waits for the end of one that has begun already.
        before = guest.scan()
        deadline = time.monotonic() + 5 * 0.2
        while time.monotonic() < deadline:
            info = guest.working_set()
            self.assertEqual(info['epochs'], before['epochs'])
            self.assertEqual(info['sample-age'], before['sample-age'])
            self.assertEqual(info['idle-ages'], before['idle-ages'])
        self.assertEqual(info['state'], 'active')

        guest.set_backend('interval', MANUAL_INTERVAL)
        guest.vm.cmd('cont')
        guest.scan()
        guest.load.touch('hot')
        info = guest.scan()
        self.assert_close('after cont', info['accessed'], 32 * MIB, baseline)
        guest.load.verify()


if __name__ == '__main__':
    QemuSystemTest.main()
