#!/usr/bin/env python3
#
# Whatever else happens to a guest, eviction changes no byte of its memory
#
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long: RWP_SOAK_SECONDS in the environment, or a round of everything.

import os
from pathlib import Path
import socket
import time

from qemu_test import QemuSystemTest

from rwp_evict import EvictTest, HandEvictor
from rwp_guest import MIB, PATIENCE, RAM_ID, poll


GUEST_MIB = 320
HOT_MIB, WARM_MIB, COLD_MIB = 8, 8, 24
# Each page of it is discarded by itself.
BALLOON_MIB = 304
DIMM_MIB = 128
DISK_MIB = 32

# Short, but such that the guest gets on in between on a slow machine, too: with
# 100 it mostly waited there.  While it boots, a short one only takes time.
INTERVAL_MS = 250
BOOT_INTERVAL_MS = 10000


class EvictIntegrity(EvictTest):

    def setUp(self):
        super().setUp()
        self.disk = self.make_disk()
        self.number = 0

    def tearDown(self):
        super().tearDown()
        zram = getattr(self, 'zram', None)
        if zram is not None:
            Path('/sys/class/zram-control/hot_remove').write_text(str(zram))

    def make_disk(self) -> str:
        """
        A disk with as few layers as can be below it, so that the guest's pages
        are what the kernel does its I/O to.
        """
        try:
            self.zram = int(Path('/sys/class/zram-control/hot_add')
                            .read_text('ascii'))
            Path(f'/sys/block/zram{self.zram}/disksize').write_text(
                f'{DISK_MIB}M')
            return f'/dev/zram{self.zram}'
        except OSError as error:
            self.log.info('a file is the disk, since %s', error)
            path = os.path.join(self.workdir, 'disk')
            with open(path, 'wb') as file:
                file.truncate(DISK_MIB * MIB)
            return path

    def start(self, *args):
        """A guest that evicts all the time, and somebody who does so, too."""
        self.number += 1
        guest = self.make_guest(f'guest{self.number}', GUEST_MIB, thp='off',
                                interval=BOOT_INTERVAL_MS, evict='pageout',
                                min_age=0, refault_target=100,
                                working_set_window=1)
        guest.append += ' memhp_default_state=online_movable' \
            ' rwp.modules=virtio_blk,virtio_balloon'
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        driver = 'host_device' if self.disk.startswith('/dev/') else 'file'
        guest.launch('-m', f'{GUEST_MIB}M,slots=1,maxmem=1G',
                     '-blockdev', f'driver={driver},filename={self.disk},'
                     'node-name=disk,cache.direct=on',
                     '-device', 'virtio-blk-pci,drive=disk',
                     '-device', 'virtio-balloon-pci,id=balloon,'
                     'free-page-reporting=on',
                     '-chardev', f'socket,id=evictor,fd={theirs.fileno()}',
                     '-mon', 'chardev=evictor,mode=control', *args)
        theirs.close()
        guest.evictor = HandEvictor(ours)
        return guest

    def load(self, guest):
        """Have all of the guest's memory used, and checked all the time."""
        guest.load.alloc('scattered', hot=HOT_MIB, warm=WARM_MIB,
                         cold=COLD_MIB)
        guest.load.ask('run hot write=50 check=on period=500')
        guest.load.ask('run warm write=30 check=on period=3000')
        guest.load.ask('run cold write=10 check=on period=10000')
        guest.load.ask('disk /dev/vda jobs=2')
        guest.set_backend('interval', INTERVAL_MS)

    def check(self, guest, what):
        """Everything is as it should be, and something went meanwhile."""
        before, evicted = guest.load.status(), guest.evictor.evicted

        def disk_is_alive():
            return guest.load.status()['disk-rounds'] > before['disk-rounds']
        poll('I/O of the guest', disk_is_alive)
        poll('eviction', lambda: guest.evictor.evicted > evicted)
        self.assertEqual(guest.load.verify(),
                         (HOT_MIB + WARM_MIB + COLD_MIB) * 256)
        status = guest.load.status()
        self.assertEqual(status['bad'], 0)
        info = guest.eviction()
        self.log.info('%s: %d rounds of the disk, %.0f MiB went by hand, %.0f '
                      'in all, %.0f came back, %s', what,
                      status['disk-rounds'], guest.evictor.evicted / MIB,
                      info['evicted'] / MIB, info['refaulted'] / MIB,
                      info['skipped'])

    def balloon(self, guest):
        """Take memory from the guest, and give it back."""
        for mib in (BALLOON_MIB, GUEST_MIB):
            guest.vm.cmd('balloon', {'value': mib * MIB})
            poll(f'balloon at {mib} MiB', lambda: guest.vm.cmd(
                'query-balloon')['actual'] == mib * MIB)
        return guest

    def stop_and_cont(self, guest):
        """Stop it a few times."""
        for _ in range(5):
            guest.vm.cmd('stop')
            rounds = guest.evictor.rounds
            poll('eviction while stopped',
                 lambda: guest.evictor.rounds > rounds + 1)
            guest.vm.cmd('cont')
        return guest

    def dimm(self, guest):
        """More memory, which is taken away while in use."""
        guest.vm.cmd('object-add', {
            'qom-type': 'memory-backend-rwp', 'id': 'more',
            'size': DIMM_MIB * MIB, 'tracking': 'on',
            'interval': INTERVAL_MS, 'evict': 'pageout', 'min-age': 0})
        free = guest.load.status()['guest-total']
        guest.vm.cmd('device_add', {'driver': 'pc-dimm', 'id': 'dimm',
                                    'memdev': 'more'})
        poll('more memory in the guest',
             lambda: guest.load.status()['guest-total'] > free)
        # What is new is used first.
        guest.evictor.ids.add('more')
        self.load(guest)
        poll('use of the new memory', lambda: guest.vm.cmd(
            'query-working-set', {'id': 'more'})[0]['present'] > 16 * MIB)
        self.check(guest, 'with a DIMM')

        # Memory under direct I/O is pinned, and the guest's kernel waits for a
        # moment when none of what is to go is.
        guest.load.ask('disk off')
        guest.vm.cmd('device_del', {'id': 'dimm'})
        event = guest.vm.events_wait(
            [('DEVICE_DELETED', {'data': {'device': 'dimm'}}),
             ('MEM_UNPLUG_ERROR', {}), ('DEVICE_UNPLUG_GUEST_ERROR', {})],
            PATIENCE)
        self.assertEqual(event['event'], 'DEVICE_DELETED')
        guest.evictor.ids.discard('more')
        guest.vm.cmd('object-del', {'id': 'more'})
        guest.load.ask('disk /dev/vda jobs=2')
        return guest

    def migrate(self, guest):
        """Over to another QEMU."""
        uri = f'unix:{self.socket_dir().name}/migration{self.number}'
        other = self.start('-incoming', 'defer')
        for one in (guest, other):
            one.vm.cmd('migrate-set-capabilities', {'capabilities': [
                {'capability': 'events', 'state': True}]})
            one.vm.cmd('migrate-set-parameters', {
                'max-bandwidth': 1 << 40, 'downtime-limit': 20000})
        other.vm.cmd('migrate-incoming', {'uri': uri})
        other.evictor.start()
        guest.vm.cmd('migrate', {'uri': uri})
        for one in (guest, other):
            event = one.vm.events_wait(
                [('MIGRATION', {'data': {'status': status}})
                 for status in ('completed', 'failed')], PATIENCE)
            self.assertEqual(event['data']['status'], 'completed')
        other.wait_state('active')
        other.set_backend('interval', INTERVAL_MS)
        guest.evictor.close()
        guest.close()
        self.guests.remove(guest)
        return other

    def reset(self, guest):
        """All begins anew."""
        guest.vm.cmd('set-action', {'reboot': 'reset'})
        guest.set_backend('interval', BOOT_INTERVAL_MS)
        guest.vm.cmd('system_reset')
        guest.load.wait_ready()
        self.load(guest)
        return guest

    def test_contents(self):
        end = time.monotonic() + float(os.environ.get('RWP_SOAK_SECONDS', 0))
        guest = self.start()
        guest.load.wait_ready()
        self.load(guest)
        guest.evictor.start()
        self.check(guest, 'at first')
        while True:
            for action in (self.balloon, self.stop_and_cont, self.dimm,
                           self.migrate, self.reset):
                guest = action(guest)
                self.check(guest, action.__doc__)
            if time.monotonic() > end:
                break
        guest.evictor.close()


if __name__ == '__main__':
    QemuSystemTest.main()
