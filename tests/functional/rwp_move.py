# Guests that move from one QEMU to another, in all ways that there are
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""What tests of moving have in common: what a line of their tables does."""

import os
from pathlib import Path
from typing import Any, Dict, NamedTuple, Tuple, Type

from rwp_evict import free_swap
from rwp_guest import MANUAL_INTERVAL, MIB, PATIENCE, RAM_ID
from rwp_migrate import MigratingGuest
from rwp_test import RwpTest


GUEST_MIB = 192
LOAD_MIB = {'hot': 12, 'warm': 12, 'cold': 40}
LOAD_PAGES = sum(LOAD_MIB.values()) * 256

# Swap space for two guests of whose memory most is out.
SWAP_MIB = 384
OUT_SHARE = 0.8

# For the load, if the huge pages that it has are to be hot or cold.
HUGE_PIECES = {'thp': 'on', 'piece': '2M'}

# How often it is tried to have that go.
TRIES = 5

# Slow enough to do something meanwhile.
SLOW = 8 * MIB

ANON = {'thp': 'off'}
THP = {'thp': 'on'}
MEMFD = {'share': 'on'}
HUGETLB = {'share': 'on', 'hugetlb': 'on', 'hugetlbsize': '2M'}


class Move(NamedTuple):
    """
    A line of the table.  Each guest moves twice: without page-heat from the
    first memory to the second, and with it back to memory as at first.
    """

    first: Dict[str, str] = ANON
    second: Dict[str, str] = ANON
    how: str = 'precopy'                # or 'postcopy', or 'file'
    capabilities: Tuple[str, ...] = ()  # further ones of both sides
    out: bool = False                   # OUT_SHARE of it is in swap
    cancelled: bool = False             # at first, and tried again


def free_huge_pages() -> int:
    """Huge pages of 2 MiB that nobody uses."""
    return int(Path('/sys/kernel/mm/hugepages/hugepages-2048kB/'
                    'free_hugepages').read_text('ascii'))


class MoveTest(RwpTest):
    """What each line of the table does."""

    GUEST_CLASS = MigratingGuest

    def start_guest(self, *args: str, **backend: Any) -> MigratingGuest:
        """A guest of which only this test ends an interval."""
        backend.setdefault('interval', MANUAL_INTERVAL)
        guest = self.make_guest(f'guest{len(self.guests) + 1}', GUEST_MIB,
                                **backend)
        guest.launch(*args)
        return guest

    def start_source(self, pieces: Dict[str, str],
                     **backend: Any) -> MigratingGuest:
        """A guest with a load that writes all the time."""
        guest = self.start_guest(**backend)
        guest.load.wait_ready()
        guest.load.alloc('scattered', **pieces, **LOAD_MIB)
        guest.load.ask('run hot write=50 check=on period=500')
        guest.load.ask('run warm write=10 period=5000')
        return guest

    def uri(self, how: str) -> str:
        """Where to; a socket's path must be short."""
        if how == 'file':
            return f'file:{self.workdir}/state{len(self.guests)}'
        return f'unix:{self.socket_dir().name}/{len(self.guests)}'

    @staticmethod
    def learn(guest: MigratingGuest) -> Dict[str, Any]:
        """End an interval in which all that is hot was used."""
        guest.load.ask('wait hot rounds=1')
        return guest.scan()

    def make_heat(self, guest: MigratingGuest, out: bool) -> None:
        """Have it known what is hot, and most of the rest go to swap."""
        guest.wait_state('active')
        guest.scan()
        info = self.learn(guest)
        if not out:
            return
        # A huge page that is used comes back in parts, and the rest of it can
        # go the next time.
        for _ in range(TRIES):
            size = int(info['present'] * OUT_SHARE)
            said = guest.vm.cmd('evict-cold-memory', {
                'id': RAM_ID, 'bytes': size, 'min-age': 0})
            gone = info['present'] - info['resident'] + said['evicted']
            self.log.info('of %.1f MiB, %.1f MiB are in swap',
                          info['present'] / MIB, gone / MIB)
            # What the load and the guest's kernel are at stays.
            if gone > 0.6 * size:
                return
            info = self.learn(guest)
        self.fail(f'too little can go: {said}')

    def check_content(self, guest: MigratingGuest) -> None:
        """Every byte that the load has ever written is as it left it."""
        self.assertEqual(guest.load.verify(), LOAD_PAGES)
        self.assertEqual(guest.load.status()['bad'], 0)
        # It lives, and what it writes arrives.
        guest.load.ask('wait hot rounds=1')

    def prepare(self, guest: MigratingGuest, move: Move, heat: bool) -> None:
        """Both sides alike."""
        names = move.capabilities + (('page-heat',) if heat else ()) + \
            (('postcopy-ram',) if move.how == 'postcopy' else ())
        guest.capabilities(*names)
        guest.unlimited()

    def cancel(self, source: MigratingGuest, move: Move, heat: bool,
               **backend: str) -> None:
        """A migration that does not come to its end: all is as before."""
        uri = self.uri(move.how)
        destination = self.start_guest('-incoming', 'defer', **backend)
        for guest in (source, destination):
            self.prepare(guest, move, heat)
        # What is left must not seem little: it is to be cancelled before.
        source.parameters(max_bandwidth=SLOW, downtime_limit=1)
        destination.listen(uri)
        source.migrate(uri)
        source.wait_migration('active')
        source.wait_sent(2 * SLOW)
        source.cancel_migration(return_path=move.how == 'postcopy')
        # It has got half a guest, and ends.
        destination.vm.wait()
        source.wait_state('active')
        self.check_content(source)

    def move(self, source: MigratingGuest, move: Move, heat: bool,
             **backend: str) -> MigratingGuest:
        """To another QEMU with such memory."""
        self.make_heat(source, move.out)
        if move.cancelled:
            self.cancel(source, move, heat, **backend)
            self.make_heat(source, move.out)
        self.prepare(source, move, heat)
        uri = self.uri(move.how)
        if move.how == 'file':
            source.migrate(uri)
            source.wait_migration('completed')
            destination = self.start_guest('-incoming', 'defer', **backend)
            self.prepare(destination, move, heat)
            destination.listen(uri)
        else:
            destination = self.start_guest('-incoming', 'defer', **backend)
            self.prepare(destination, move, heat)
            destination.listen(uri)
            if move.how == 'postcopy':
                self.start_postcopy(source, destination, uri)
            else:
                source.migrate(uri)
            source.wait_migration('completed')
        destination.wait_migration('completed')
        self.log.info('moved: %s', source.migration())
        if move.how == 'file':
            os.unlink(uri.partition(':')[2])
        self.assertEqual(source.vm.cmd('query-status')['status'],
                         'postmigrate')
        source.close()
        self.check_content(destination)
        return destination

    def start_postcopy(self, source: MigratingGuest,
                       destination: MigratingGuest, uri: str) -> None:
        """Until the guest runs over there, with most of it still here."""
        # What is left must not seem little: precopy is not to come to its end.
        source.parameters(max_bandwidth=SLOW, max_postcopy_bandwidth=2 * SLOW,
                          downtime_limit=1)
        source.migrate(uri)
        source.wait_migration('active')
        source.vm.cmd('migrate-start-postcopy')
        source.wait_migration('postcopy-active')
        destination.vm.event_wait('RESUME', PATIENCE)
        # It fetches what it needs.
        self.check_content(destination)

    def check_move(self, move: Move) -> None:
        """A line of the table: there and back."""
        if move.out and free_swap() < SWAP_MIB * MIB:
            self.skipTest(f'this needs {SWAP_MIB} MiB of free swap space')
        pages = GUEST_MIB // 2 * (move.first, move.second).count(HUGETLB)
        if free_huge_pages() < pages:
            self.skipTest(f'this needs {pages} free huge pages of 2 MiB')
        # With something hot in each of them, no huge page can go.
        pieces = HUGE_PIECES if move.out and move.first == THP else {}
        guest = self.start_source(pieces, **move.first)
        guest = self.move(guest, move, False, **move.second)
        self.move(guest, move, True, **move.first)


def add_tests(test_class: Type[MoveTest], moves: Dict[str, Move]) -> None:
    """A test for each line of a table."""
    for name, move in moves.items():
        def test(self: MoveTest, move: Move = move) -> None:
            self.check_move(move)
        setattr(test_class, f'test_{name}', test)
