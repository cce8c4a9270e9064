# A guest with a memory-backend-rwp that moves from one QEMU to another
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""RwpGuest with what it takes to migrate it."""

from typing import Any, Dict

from rwp_guest import PATIENCE, RwpGuest, poll


class MigrationError(Exception):
    """A migration has come to another end than it should have."""


class MigratingGuest(RwpGuest):
    """A side of a migration."""

    def capabilities(self, *names: str) -> None:
        """
        Switch migration capabilities on, and events in any case; and those of
        page-heat off unless named, for a guest may have come with them.
        """
        states = {'page-heat': False, 'auto-postcopy': False, 'events': True,
                  **{name: True for name in names}}
        self.vm.cmd('migrate-set-capabilities', {'capabilities': [
            {'capability': name, 'state': state}
            for name, state in states.items()]})

    def parameters(self, **values: Any) -> None:
        """Set migration parameters."""
        self.vm.cmd('migrate-set-parameters', {
            name.replace('_', '-'): value for name, value in values.items()})

    def unlimited(self) -> None:
        """Let a migration end, however slow the machine is."""
        self.parameters(max_bandwidth=1 << 40, downtime_limit=20000)

    def listen(self, uri: str) -> None:
        """Begin to wait for a migration, or to load one from a file."""
        self.vm.cmd('migrate-incoming', {'uri': uri})

    def migrate(self, uri: str) -> None:
        """Begin to migrate."""
        # What is told of it must not be mixed up with what was told of the
        # one that it has come by itself.
        self.vm.get_qmp_events()
        self.vm.cmd('migrate', {'uri': uri})

    def migration(self) -> Dict[str, Any]:
        """What QEMU tells about the migration."""
        return self.vm.cmd('query-migrate')

    def wait_sent(self, size: int) -> None:
        """Wait until so many bytes of memory were sent."""
        poll(f'{size} bytes sent', lambda:
             self.migration().get('ram', {}).get('transferred', 0) > size)

    def cancel_migration(self, return_path: bool = False) -> None:
        """
        Cancel it.  QEMU closes the return path before it notes that this is
        what is going on, so what is sent just then may look like a failure.
        """
        self.vm.cmd('migrate_cancel')
        ends = ('cancelled', 'failed') if return_path else ('cancelled',)
        self.wait_migration(*ends)

    def wait_migration(self, *statuses: str) -> None:
        """Wait until the migration gets to one of these, and nowhere else."""
        ends = {'completed', 'failed', 'cancelled', *statuses}
        event = self.vm.events_wait(
            [('MIGRATION', {'data': {'status': end}}) for end in ends],
            PATIENCE)
        if event is None or event['data']['status'] not in statuses:
            raise MigrationError(f'not {" or ".join(statuses)}, but '
                                 f'{self.migration()}')
