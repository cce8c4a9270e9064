#!/usr/bin/env python3
#
# A guest with tracked memory can be handled like any other
#
# SPDX-License-Identifier: GPL-2.0-or-later

import contextlib
import os
import socket
import subprocess

from qemu.qmp.legacy import QEMUMonitorProtocol
from qemu_test import QemuSystemTest

from rwp_guest import MANUAL_INTERVAL, PATIENCE, RAM_ID, poll
from rwp_test import RwpTest


HOT_MIB = 16
COLD_MIB = 32

# Does not belong to anything: an ordinary user as good as any.
NOBODY = 65534


class Gdb:
    """The little of GDB's remote protocol that reading memory takes."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(path)
        self.stream = self.sock.makefile('rb')

    def request(self, text):
        """Send a packet; the contents of the answer."""
        checksum = sum(text.encode()) % 256
        self.sock.sendall(f'+${text}#{checksum:02x}'.encode())
        while self.stream.read(1) != b'$':
            pass
        answer = b''
        while not answer.endswith(b'#'):
            answer += self.stream.read(1)
        self.stream.read(2)
        self.sock.sendall(b'+')
        return answer[:-1].decode()

    def close(self):
        """Hang up."""
        self.stream.close()
        self.sock.close()


class Lifecycle(RwpTest):

    def boot(self, *args, **backend):
        """A guest with some memory whose contents are known."""
        backend.setdefault('interval', 500)
        self.guest = self.make_guest('guest', 192, **backend)
        self.guest.boot(*args)
        self.alloc()
        return self.guest

    def alloc(self):
        """Give the load its memory."""
        self.guest.load.alloc('scattered', hot=HOT_MIB, cold=COLD_MIB)

    def check(self):
        """The guest is alive, intact and tracked."""
        self.assertEqual(self.guest.load.verify(),
                         (HOT_MIB + COLD_MIB) * 256)
        info = self.guest.wait_state('active')
        self.guest.next_interval(info['epochs'])
        return info

    def test_stop_cont(self):
        guest = self.boot()
        guest.vm.cmd('stop')
        before = guest.scan()
        # What was idle stays as old as it is, however long that takes:
        # another scan asked for is the only one.
        after = guest.scan()
        self.assertEqual(after['epochs'], before['epochs'] + 1)
        guest.vm.cmd('cont')
        self.check()

    def test_reset(self):
        guest = self.boot()
        guest.vm.cmd('set-action', {'reboot': 'reset'})
        guest.vm.cmd('system_reset')
        guest.load.wait_ready()
        self.alloc()
        self.check()

    def test_dump(self):
        guest = self.boot()
        path = os.path.join(self.workdir, 'dump')
        guest.vm.cmd('dump-guest-memory', {'paging': False,
                                           'protocol': f'file:{path}'})
        self.assertGreater(os.path.getsize(path), guest.mib << 20)
        os.unlink(path)
        self.check()

    def test_gdbstub(self):
        guest = self.boot()
        path = os.path.join(self.socket_dir().name, 'gdb')
        guest.vm.cmd('human-monitor-command', {
            'command-line': f'gdbserver unix:{path},server=on,wait=off'})
        gdb = Gdb(path)
        gdb.request('?')
        self.assertEqual(gdb.request('Qqemu.PhyMemMode:1'), 'OK')
        # A page in the middle of memory that was armed long ago.
        reply = gdb.request(f'm{(guest.mib << 20) // 2:x},400')
        self.assertEqual(len(reply), 0x800, reply)
        gdb.request('D')
        gdb.close()
        self.assertEqual(guest.vm.cmd('query-status')['status'], 'running')
        self.check()

    def test_tracking_switched(self):
        guest = self.boot(tracking='off')
        info = guest.working_set()
        self.assertEqual(info['state'], 'off')
        self.assertEqual(info['untracked'], info['size'])
        for value, state in (('on', 'active'), ('off', 'off'),
                             ('auto', 'active')):
            guest.set_backend('tracking', value)
            self.assertEqual(guest.working_set()['state'], state)
        self.check()

    def test_sandbox(self):
        """Under the strictest filter of system calls."""
        self.boot('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,'
                  'spawn=deny,resourcecontrol=deny')
        self.guest.set_backend('tracking', 'off')
        self.guest.set_backend('tracking', 'on')
        self.check()

    def test_unprivileged(self):
        """In an empty root directory, as a user who may do nothing."""
        root = os.path.join(self.workdir, 'root')
        os.mkdir(root)
        self.boot('-run-with', f'chroot={root},user={NOBODY}:{NOBODY}')
        self.check()
        self.guest.set_backend('tracking', 'off')
        self.guest.set_backend('tracking', 'on')
        self.check()

    def test_daemonize(self):
        path = os.path.join(self.socket_dir().name, 'qmp')
        subprocess.run(
            [self.qemu_bin, '-daemonize', '-display', 'none', '-nodefaults',
             '-accel', 'kvm', '-m', '64',
             '-object', f'memory-backend-rwp,id={RAM_ID},size=64M,'
                        f'tracking=on,interval={MANUAL_INTERVAL}',
             '-machine', f'pc,memory-backend={RAM_ID}',
             '-qmp', f'unix:{path},server=on,wait=off'], check=True)
        qmp = QEMUMonitorProtocol(path)
        qmp.connect()

        def scanned():
            info = qmp.cmd('query-working-set')[0]
            return info if info['epochs'] else None
        epochs = poll('first scan', scanned)['epochs']
        qmp.cmd('scan-working-set')
        info = qmp.cmd('query-working-set')[0]
        self.assertEqual(info['state'], 'active')
        self.assertEqual(info['epochs'], epochs + 1)
        # The firmware runs in there.
        self.assertGreater(info['present'], 0)
        qmp.cmd('quit')
        # QEMU may be faster than our own hanging up.
        with contextlib.suppress(EOFError):
            qmp.close()


if __name__ == '__main__':
    QemuSystemTest.main()
