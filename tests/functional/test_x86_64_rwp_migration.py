#!/usr/bin/env python3
#
# Migration, snapshots and the tracking of accesses to guest memory get along
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os

from qemu_test import QemuSystemTest

from rwp_guest import MANUAL_INTERVAL, MIB, PATIENCE, poll
from rwp_migrate import MigratingGuest
from rwp_test import RwpTest


# How far query-working-set may be from the truth afterwards.
TOLERANCE = 0.10

HOT_MIB = 32

# Per cent of the bandwidth that the load writes faster than, however slow the
# machine is.
TOO_FAST = 5


class Migration(RwpTest):

    GUEST_CLASS = MigratingGuest

    def start_guest(self, name, *args, **backend):
        """A guest of which only this test ends an interval."""
        backend.setdefault('interval', MANUAL_INTERVAL)
        guest = self.make_guest(name, 256, **backend)
        guest.launch(*args)
        return guest

    def start_source(self, *args, **backend):
        """A guest with a load that writes all the time."""
        guest = self.start_guest('source', *args, **backend)
        guest.load.wait_ready()
        guest.load.alloc('scattered', hot=HOT_MIB, warm=16, cold=64)
        guest.load.ask('run hot write=50 period=1000')
        guest.load.ask('wait hot rounds=1')
        self.assertEqual(guest.working_set()['state'], 'active')
        return guest

    def start_destination(self, **backend):
        """A guest that waits for a migration."""
        return self.start_guest('destination', '-incoming', 'defer',
                                **backend)

    def uri(self):
        """A socket; its path must be short."""
        return f'unix:{self.socket_dir().name}/migration'

    def listen(self, guest, uri):
        """Start to wait for a migration."""
        info = guest.working_set()
        self.assertEqual(info['state'], 'suspended')
        self.assertTrue(info['reason'])
        guest.listen(uri)

    def check_suspended(self, guest):
        """Tracking has stepped aside, and says why."""
        data = guest.wait_state_event('suspended')
        self.log.info('tracking is suspended: %s', data['reason'])
        self.assertTrue(data['reason'])

    def check_tracks_again(self, guest):
        """Nothing was lost, and accesses are seen again."""
        guest.wait_state('active')
        self.check_content(guest)

        guest.load.ask('halt')
        guest.scan()
        guest.load.status()
        baseline = guest.scan()['accessed']
        guest.load.touch('hot')
        seen = guest.scan()['accessed']
        error = (seen - baseline) / (HOT_MIB * MIB) - 1
        self.log.info('tracking is back: %.1f MiB seen, %d MiB hot, baseline '
                      '%.1f MiB: %+.1f %%', seen / MIB, HOT_MIB,
                      baseline / MIB, error * 100)
        self.assertLess(abs(error), TOLERANCE)

    def check_content(self, guest):
        """Every byte that the load has ever written is as it left it."""
        # All of what was allocated: a load that lost its sets finds nothing
        # wrong with them.
        self.assertEqual(guest.load.verify(), (HOT_MIB + 16 + 64) * 256)
        self.assertEqual(guest.load.status()['bad'], 0)

    def check_postmigrate(self, guest):
        """The source is at rest."""
        self.assertEqual(guest.vm.cmd('query-status')['status'],
                         'postmigrate')

    def check_arrived(self, source, destination):
        """A migration comes to its end."""
        source.wait_migration('completed')
        destination.wait_migration('completed')
        self.check_postmigrate(source)

        destination.wait_state_event('active')
        self.check_tracks_again(destination)

    def check_postcopy(self, source, destination):
        """The second half of a migration, from the switch on."""
        # The guest runs there already, and fetches what it touches.
        destination.vm.event_wait('RESUME', PATIENCE)
        self.check_content(destination)
        self.check_arrived(source, destination)

    def start_by_heat(self, uri, *both, only_source):
        """Both sides, with capabilities; what is hot is known."""
        source = self.start_source(thp='off')
        destination = self.start_destination(thp='off')
        source.capabilities('page-heat', *both, only_source)
        destination.capabilities('page-heat', *both)
        source.load.ask('wait hot rounds=1')
        source.scan()
        self.listen(destination, uri)
        return source, destination

    def check_precopy(self, **backend):
        """Migrate while the guest writes."""
        uri = self.uri()
        source = self.start_source(**backend)
        destination = self.start_destination(**backend)
        for guest in (source, destination):
            guest.capabilities()
            guest.unlimited()
        self.listen(destination, uri)

        source.migrate(uri)
        self.check_suspended(source)
        self.check_arrived(source, destination)

    def test_precopy(self):
        self.check_precopy(thp='off')

    def test_precopy_memfd(self):
        self.check_precopy(share='on')

    def test_postcopy(self):
        uri = self.uri()
        log = self.log_file('rate')
        source = self.start_source(
            '-trace', 'enable=migration_rate_limit_post', '-D', log,
            thp='off')
        destination = self.start_destination(thp='off')
        for guest in (source, destination):
            guest.capabilities('postcopy-ram')
        # So slow that most of it is left to the second half.
        source.parameters(max_bandwidth=4 * MIB,
                          max_postcopy_bandwidth=8 * MIB)
        self.listen(destination, uri)

        source.migrate(uri)
        self.check_suspended(source)
        source.wait_migration('active')
        source.vm.cmd('migrate-start-postcopy')
        source.wait_migration('postcopy-active')
        self.check_postcopy(source, destination)
        self.check_prompt(source, log)

    def check_prompt(self, source, log):
        """
        What was asked for was sent as soon as it was asked for: each request
        has woken the migration up once at most, or it was woken in vain.
        """
        requests = source.migration()['ram']['postcopy-requests']
        self.assertGreater(requests, 0)
        source.vm.shutdown()
        with open(log, encoding='utf8') as file:
            woken = sum('urgent: 1' in line for line in file)
        self.log.info('%d requests, woken by %d', requests, woken)
        self.assertGreater(woken, 0)
        self.assertLessEqual(woken, 2 * requests)

    def test_auto_postcopy(self):
        """Precopy that does not converge ends in postcopy, untold."""
        uri = self.uri()
        source, destination = self.start_by_heat(
            uri, 'postcopy-ram', only_source='auto-postcopy')
        # Less than the guest writes, and next to no downtime.
        source.parameters(max_bandwidth=12 * MIB, downtime_limit=1,
                          throttle_trigger_threshold=TOO_FAST)
        heat = source.migration()['page-heat']
        self.log.info('before: %s\n%s', heat, source.vm.cmd(
            'human-monitor-command', {'command-line': 'info migrate'}))
        self.assertGreaterEqual(heat['hot-bytes'], HOT_MIB * MIB)
        self.assertIs(heat['converges'], False)

        source.migrate(uri)
        source.wait_migration('postcopy-active')
        heat = source.migration()['page-heat']
        self.log.info('in postcopy: %s\n%s', heat, source.vm.cmd(
            'human-monitor-command', {'command-line': 'info migrate'}))
        self.assertIs(heat['converges'], False)
        # All that is cold was sent before.
        self.assertGreater(heat['cold-pages'], 64 * 256)
        self.check_postcopy(source, destination)

    def test_auto_postcopy_not_needed(self):
        """Precopy that converges ends without postcopy."""
        uri = self.uri()
        source, destination = self.start_by_heat(
            uri, 'postcopy-ram', only_source='auto-postcopy')
        source.unlimited()

        source.migrate(uri)
        self.check_arrived(source, destination)
        self.assertEqual(source.migration()['ram']['postcopy-bytes'], 0)

    def test_auto_converge(self):
        """
        A guest that writes too fast is slowed down at once, as much as may be.
        """
        uri = self.uri()
        source, destination = self.start_by_heat(
            uri, only_source='auto-converge')
        # Less than the guest writes.  Stock order slows it down by one per
        # cent more at a time, and not twice within a second.
        source.parameters(max_bandwidth=12 * MIB, downtime_limit=1,
                          throttle_trigger_threshold=TOO_FAST,
                          cpu_throttle_initial=1, cpu_throttle_increment=1,
                          max_cpu_throttle=40)
        seen = [0]

        def slowed_down():
            seen.append(source.migration().get('cpu-throttle-percentage', 0))
            return seen[-1] - seen[-2] > 10

        source.migrate(uri)
        poll('the guest to be slowed down', slowed_down)
        self.log.info('throttled by %d %%, before by %d %%', seen[-1], seen[-2])
        self.assertLessEqual(seen[-1], 40)
        source.unlimited()
        self.check_arrived(source, destination)

    def test_cancelled(self):
        """After a migration that did not come to its end, all is as before."""
        source = self.start_source(thp='off')
        destination = self.start_destination(thp='off')
        uri = self.uri()
        for guest in (source, destination):
            guest.capabilities()
        source.parameters(max_bandwidth=1 * MIB)
        self.listen(destination, uri)

        source.migrate(uri)
        self.check_suspended(source)
        source.wait_migration('active')
        source.cancel_migration()
        # It has got half a guest, and ends.
        destination.vm.wait()

        source.wait_state_event('active')
        self.check_tracks_again(source)

    def test_background_snapshot(self):
        path = os.path.join(self.workdir, 'snapshot')
        source = self.start_source(thp='off')
        source.capabilities('background-snapshot')
        source.unlimited()

        source.migrate(f'file:{path}')
        self.check_suspended(source)
        source.wait_migration('completed')
        source.wait_state_event('active')
        self.assertEqual(source.vm.cmd('query-status')['status'], 'running')
        self.check_tracks_again(source)

        # What was saved is the guest as it was when the snapshot began.
        destination = self.start_destination(thp='off')
        destination.capabilities()
        self.listen(destination, f'file:{path}')
        destination.wait_migration('completed')
        destination.wait_state_event('active')
        destination.vm.cmd('cont')
        self.check_tracks_again(destination)

    def run_job(self, guest, command, arguments):
        """Carry out a job to its end."""
        guest.vm.cmd(command, {'job-id': 'job', **arguments})

        def ended():
            job = guest.vm.cmd('query-jobs')[0]
            return job if job['status'] == 'concluded' else None
        job = poll(command, ended)
        guest.vm.cmd('job-dismiss', {'id': 'job'})
        self.assertNotIn('error', job, command)

    def add_image(self, guest):
        """A qcow2 image for snapshots, made by QEMU itself."""
        path = os.path.join(self.workdir, 'state.qcow2')
        self.run_job(guest, 'blockdev-create', {'options': {
            'driver': 'file', 'filename': path, 'size': 0}})
        guest.vm.cmd('blockdev-add', {
            'driver': 'file', 'filename': path, 'node-name': 'file'})
        self.run_job(guest, 'blockdev-create', {'options': {
            'driver': 'qcow2', 'file': 'file', 'size': MIB}})
        guest.vm.cmd('blockdev-add', {
            'driver': 'qcow2', 'file': 'file', 'node-name': 'state'})

    def test_saved_and_loaded(self):
        source = self.start_source(thp='off')
        self.add_image(source)
        snapshot = {'tag': 'before', 'vmstate': 'state', 'devices': ['state']}

        self.run_job(source, 'snapshot-save', snapshot)
        source.wait_state('active')
        source.load.ask('wait hot rounds=2')
        after = source.load.status()['hot-writes']

        self.run_job(source, 'snapshot-load', snapshot)
        self.assertLess(source.load.status()['hot-writes'], after,
                        'the guest was not set back')
        self.check_tracks_again(source)


if __name__ == '__main__':
    QemuSystemTest.main()
