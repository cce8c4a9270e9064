# Guests whose cold memory is evicted
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""What tests of eviction have in common."""

from array import array
import json
import os
from pathlib import Path
import re
import socket
import threading
import time
from typing import Any, Dict, Iterable, Optional, Set

from rwp_guest import MIB, PAGE, RAM_ID, RwpGuest, pages_of_age, poll
from rwp_test import RwpTest


# Free swap space that the tests need.
SWAP_MIB = 384


def free_swap() -> int:
    """Free swap space of this host, in bytes."""
    text = Path('/proc/meminfo').read_text('ascii')
    return int(re.search(r'SwapFree: *(\d+)', text)[1]) * 1024


class EvictGuest(RwpGuest):
    """A guest of which one can look at what is really in memory."""

    def _host_address(self) -> int:
        said = self.vm.cmd('human-monitor-command',
                           {'command-line': 'gpa2hva 0'})
        return int(re.search(r'is (0x[0-9a-f]+)', said)[1], 16)

    def pages_in(self, pages: Iterable[int]) -> Set[int]:
        """Those of the guest's pages that are mapped in QEMU."""
        entries = array('Q')
        with open(f'/proc/{self.vm.get_pid()}/pagemap', 'rb') as pagemap:
            pagemap.seek(self._host_address() // PAGE * 8)
            entries.frombytes(pagemap.read(self.mib * MIB // PAGE * 8))
        return {page for page in pages if entries[page] >> 63}

    def eviction(self) -> Dict[str, Any]:
        """What is told of the evictor."""
        return self.working_set()['eviction']

    def sets(self) -> Dict[str, Set[int]]:
        """Guest-physical pages of the load's sets."""
        return {name: self.physical_pages(name)
                for name in ('hot', 'warm', 'cold')}

    def pages_younger(self, age: int) -> Set[int]:
        """Pages that were accessed in the last @age intervals."""
        return pages_of_age(self.export()['ranges'], 0, age - 1)


class HandEvictor(threading.Thread):
    """
    Evicts memory of some backends, again and again, over a monitor of its own:
    some of it, and now and then all that can go.  In between the guest gets
    time, or it would do nothing but wait for its memory: the more, the longer
    this takes, for on a slow machine the guest needs more time, too.
    """

    SOME = 4 * MIB
    ALL = 1 << 40
    PAUSE = 0.5
    # Of what the eviction took.
    PAUSE_FACTOR = 4

    def __init__(self, port: socket.socket):
        super().__init__(daemon=True)
        self._port = port
        self._stream = port.makefile('rw', encoding='utf8')
        self._end = threading.Event()
        self.ids = {RAM_ID}
        self.rounds = 0
        self.evicted = 0
        self.refused = 0
        self._command('qmp_capabilities')

    def _command(self, name: str, **arguments: Any) -> Dict[str, Any]:
        self._stream.write(json.dumps({'execute': name,
                                       'arguments': arguments}) + '\n')
        self._stream.flush()
        while True:
            line = self._stream.readline()
            if not line:
                raise EOFError
            message = json.loads(line)
            if 'return' in message or 'error' in message:
                return message

    def run(self) -> None:
        try:
            while not self._end.is_set():
                begin = time.monotonic()
                for name in list(self.ids):
                    answer = self._command('evict-cold-memory', **{
                        'id': name, 'min-age': 0,
                        'bytes': self.SOME if self.rounds % 16 else self.ALL})
                    # Not tracked now, or just unplugged.
                    self.refused += 'error' in answer
                    self.evicted += answer.get('return', {}).get('evicted', 0)
                self.rounds += 1
                took = time.monotonic() - begin
                self._end.wait(max(self.PAUSE, self.PAUSE_FACTOR * took))
        except (EOFError, OSError):
            pass

    def close(self) -> None:
        """No more; QEMU may have gone already."""
        self._end.set()
        if self.is_alive():
            self.join()
        self._stream.close()
        self._port.close()


class EvictTest(RwpTest):
    """A test that needs swap space and a guest."""

    GUEST_CLASS = EvictGuest

    def why_not(self) -> Optional[str]:
        reason = super().why_not()
        if not reason and free_swap() < SWAP_MIB * MIB:
            reason = f'these RWP tests need {SWAP_MIB} MiB of free swap space'
        return reason

    def wait_info(self, guest: EvictGuest, what: str, condition):
        """Ask until @condition is true of the answer; returns that."""
        def probe() -> Optional[Dict[str, Any]]:
            info = guest.working_set()
            return info if condition(info) else None
        return poll(what, probe)


class ColdMemoryTest(EvictTest):
    """
    A guest of which 15 % is hot, 25 % warm, and 60 % never used again: the
    last goes, the others stay, and when that changes, nothing goes that is
    in use then.
    """

    HOT_MIB, WARM_MIB, COLD_MIB = 24, 40, 96
    INTERVAL_MS = 1000
    WARM_EPOCHS = 20

    def check_cold_memory(self, layout: str, guest_thp: str, percent: float,
                          until_back: bool, **backend: Any) -> None:
        """
        :param percent: the refault-target
        :param until_back: wait until eviction resumes after the change, too
        """
        guest = self.make_guest('guest', 320, interval=self.INTERVAL_MS,
                                evict='pageout', min_age=5,
                                working_set_window=2 * self.WARM_EPOCHS,
                                refault_target=percent, **backend)
        guest.boot()
        guest.load.alloc(layout, thp=guest_thp, hot=self.HOT_MIB,
                         warm=self.WARM_MIB, cold=self.COLD_MIB)
        guest.load.ask(f'run hot write=30 period={self.INTERVAL_MS}')
        guest.load.ask('run warm write=30 period='
                       f'{self.WARM_EPOCHS * self.INTERVAL_MS}')
        sets = guest.sets()
        info = self.wait_info(guest, 'eviction', lambda info:
                              info['eviction']['evicted'] > 0)
        # All that nobody uses is young enough no longer.
        self.wait_info(guest, 'end of eviction', lambda info:
                       info['resident'] <= self.wanted(guest, sets, info))
        self.check_stays(guest, sets)
        self.check_change(guest, sets, until_back)
        self.assertEqual(guest.load.verify(),
                         (self.HOT_MIB + self.WARM_MIB + self.COLD_MIB) * 256)

    def wanted(self, guest: EvictGuest, sets, info) -> int:
        """
        How much may be resident: what the load uses, and what the guest's
        kernel does beside it, and 15 % more.
        """
        used = guest.pages_younger(info['eviction'].get('cold-age', 1))
        beside = len(used.difference(*sets.values())) * PAGE
        wanted = 1.15 * ((self.HOT_MIB + self.WARM_MIB) * MIB + beside)
        self.log.info('epoch %d: %.1f MiB are in, %.1f of these beside the '
                      'sets in use, wanted are %.1f; %s', info['epochs'],
                      info['resident'] / MIB, beside / MIB, wanted / MIB,
                      info['eviction'])
        return wanted

    def check_stays(self, guest: EvictGuest, sets) -> None:
        """Hot and warm memory is in, cold memory is out, and stays there."""
        first = guest.working_set()
        for number in range(self.WARM_EPOCHS):
            info = guest.next_interval(first['epochs'] + number)
            evict = info['eviction']
            self.assertLessEqual(evict['refaults'], evict['allowed'], info)
            if number % 10 == 0:
                self.assertLessEqual(info['resident'],
                                     self.wanted(guest, sets, info))
        seen = {name: len(guest.pages_in(pages)) / len(pages)
                for name, pages in sets.items()}
        self.log.info('in memory: %s; from %d to %d bytes came back', seen,
                      first['eviction']['refaulted'], evict['refaulted'])
        self.assertEqual(seen['hot'], 1)
        self.assertGreater(seen['warm'], 0.98)
        self.assertLess(seen['cold'], 0.02)

    def check_change(self, guest: EvictGuest, sets, until_back: bool) -> None:
        """Cold memory becomes hot: nothing goes until that is known."""
        before = guest.working_set()
        guest.load.ask('swap hot cold')

        def told() -> Dict[str, Any]:
            info = guest.working_set()
            evict = info['eviction']
            back = evict['refaulted'] - before['eviction']['refaulted']
            limited = evict['limit'] == 'refault-target' and \
                evict['state'] == 'limited'
            # What came back before the change counts for the evictor, too.
            if (back > evict['allowed'] or limited) and 'epoch' not in change:
                change.update(epoch=info['epochs'],
                              evicted=evict['evicted'])
            return info if limited else None
        change: Dict[str, int] = {}
        info = poll('end of eviction by a change', told)
        evicted = info['eviction']['evicted']
        self.log.info('after the change: %s', info['eviction'])
        self.assertLessEqual(info['epochs'], change['epoch'] + 1)
        self.assertEqual(evicted, change['evicted'])

        # What was hot is cold by now, but for a minute nothing goes.
        guest.load.ask('wait hot rounds=1')
        start = info['epochs']
        while info['eviction']['state'] == 'limited' and \
                (until_back or info['epochs'] < start + self.WARM_EPOCHS + 5):
            self.assertEqual(info['eviction']['limit'], 'refault-target')
            self.assertEqual(info['eviction']['evicted'], evicted)
            info = guest.next_interval(info['epochs'])
        if until_back:
            info = self.wait_info(guest, 'what was hot being out', lambda info:
                                  len(guest.pages_in(sets['hot'])) <
                                  0.02 * len(sets['hot']))
            self.log.info('eviction is back: %s', info['eviction'])
        self.assertEqual(guest.pages_in(sets['cold']), sets['cold'],
                         'memory in use was evicted')
        self.assertGreater(len(guest.pages_in(sets['warm'])),
                           0.98 * len(sets['warm']))
