# A Linux guest with a memory-backend-rwp and a load whose working set is known
#
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest's initramfs starts tests/rwp/guest-load, which is spoken to over
# the second serial port; its source tells the protocol.

"""Start such a guest, tell its load what to do, ask QEMU what it sees."""

import itertools
import json
import os
from pathlib import Path
import select
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Set, TypeVar

from qemu.machine import QEMUMachine


MIB = 1 << 20
PAGE = 4096

# How long something may take that normally takes seconds, in a VM that is
# emulated in turn.  Nothing is ever expected to be faster than it is.
PATIENCE = 300.0

RAM_ID = 'ram0'

# So that only scan-working-set ends an interval.
MANUAL_INTERVAL = 24 * 60 * 60 * 1000

T = TypeVar('T')


class LoadError(Exception):
    """The load in the guest refused, found damage, or went silent."""


class DamageError(LoadError):
    """Memory of the guest is not what the load wrote."""


def poll(what: str, probe: Callable[[], T], timeout: float = PATIENCE) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what}: not within {timeout:.0f} s')
        time.sleep(0.05)


def why_not_here(qemu: str) -> Optional[str]:
    """Why such a guest cannot run here; None if it can."""
    for name in ('RWP_GUEST_KERNEL', 'RWP_GUEST_INITRD'):
        path = os.environ.get(name)
        if not path:
            return f'the RWP guest is not there: {name} is not set'
        if not os.access(path, os.R_OK):
            return f'the RWP guest is not there: {name}={path} is not readable'
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'the RWP guest needs KVM: /dev/kvm is not usable'
    probe = subprocess.run(
        [qemu, '-machine', 'none', '-nodefaults', '-display', 'none',
         '-object', 'memory-backend-rwp,id=probe,size=2M,tracking=on',
         '-monitor', 'stdio'],
        input='quit\n', capture_output=True, encoding='utf8', check=False)
    if probe.returncode:
        return f'RWP is not usable here: {probe.stderr.strip()}'
    return None


class GuestLoad:
    """The load in the guest."""

    # One for all, so that an answer to a request made before a migration is
    # not taken for one that was made after it.
    _tags = itertools.count(1)

    def __init__(self, port: socket.socket, console: str):
        self._port = port
        self._console = console
        self._received = b''

    def close(self) -> None:
        """Hang up; the load goes on."""
        self._port.close()

    def _line(self, deadline: float) -> str:
        while b'\n' not in self._received:
            self._port.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._port.recv(4096)
            except socket.timeout:
                data = None
            if not data:
                raise LoadError(
                    ('nothing was heard of the load in the guest'
                     if data is None else 'QEMU has closed the port') +
                    '; the end of its console:\n' + self.console_tail())
            self._received += data
        line, self._received = self._received.split(b'\n', 1)
        return line.decode(errors='replace').strip()

    def console_tail(self, lines: int = 15) -> str:
        """The last lines of the guest's console."""
        try:
            text = Path(self._console).read_text('utf8', errors='replace')
        except OSError as error:
            text = str(error)
        return '\n'.join('  | ' + line for line in text.splitlines()[-lines:])

    def _unasked(self, line: str) -> None:
        """A line that the load writes of itself."""
        if line.startswith('* corrupt'):
            raise DamageError(f'memory of the guest is damaged: {line}')

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Until the guest has booted and the load listens."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._line(deadline)
            if line.startswith('* ready'):
                return
            self._unasked(line)

    def ask(self, request: str, timeout: float = PATIENCE,
            damage_is_fatal: bool = True) -> Dict[str, str]:
        """Send a request, and return what the answer says."""
        return self.answer(self.send(request), timeout, damage_is_fatal)

    def send(self, request: str) -> str:
        """Send a request; returns its tag."""
        tag = f't{next(self._tags)}'
        self._port.sendall(f'{tag} {request}\n'.encode())
        return tag

    def has_answer(self) -> bool:
        """Whether there is something to read."""
        return b'\n' in self._received or \
            bool(select.select([self._port], [], [], 0)[0])

    def answer(self, tag: str, timeout: float = PATIENCE,
               damage_is_fatal: bool = True) -> Dict[str, str]:
        """Wait for the answer to a request, and return what it says."""
        deadline = time.monotonic() + timeout
        while True:
            line = self._line(deadline)
            words = line.split()
            if not words or words[0] != tag:
                if damage_is_fatal:
                    self._unasked(line)
                continue
            if words[1:2] != ['ok']:
                raise LoadError(' '.join(words[2:]))
            return dict(word.partition('=')[::2] for word in words[2:])

    def alloc(self, layout: str, thp: str = 'off', seed: int = 1,
              piece: str = '4K', **sizes: int) -> None:
        """Make the sets hot, warm and cold, of so many MiB each."""
        words = ''.join(f' {name}={mib}M' for name, mib in sizes.items())
        self.ask(f'alloc layout={layout} thp={thp} seed={seed} '
                 f'piece={piece}{words}')

    def touch(self, name: str, write: int = 0) -> None:
        """Touch each page of a set once."""
        self.ask(f'touch {name} write={write}')

    def verify(self) -> int:
        """Compare every byte of all sets; the number of pages."""
        answer = self.ask('verify')
        if int(answer['bad']):
            raise DamageError(f'memory of the guest is damaged: {answer}')
        return int(answer['pages'])

    def status(self) -> Dict[str, int]:
        """Counters of the load."""
        return {key: int(value) for key, value in self.ask('status').items()}


class RwpGuest:
    """A guest whose RAM is a memory-backend-rwp."""

    def __init__(self, vm: QEMUMachine, directory: str, mib: int = 512,
                 accel: str = 'kvm', **backend: Any):
        """
        :param vm: a machine that is not launched yet
        :param directory: where the console's log and other files go
        :param mib: size of the guest's RAM
        :param backend: properties of the memory-backend-rwp
        """
        self.vm = vm
        self.mib = mib
        self.accel = accel
        self.backend = {'tracking': 'on', **backend}
        self.directory = directory
        self.console = os.path.join(directory, 'guest-console.log')
        self.append = 'console=ttyS0 quiet panic=-1'
        self.load: GuestLoad

    def backend_object(self) -> str:
        """The argument of -object."""
        words = [f'memory-backend-rwp,id={RAM_ID},size={self.mib}M']
        words += [f'{key}={value}' for key, value in self.backend.items()]
        return ','.join(words)

    def launch(self, *args: str) -> None:
        """Start QEMU; the guest then boots."""
        os.makedirs(self.directory, exist_ok=True)
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        self.vm.add_args(
            '-accel', self.accel, '-cpu', 'max', '-nodefaults',
            '-no-reboot',
            '-object', self.backend_object(),
            '-machine', f'pc,memory-backend={RAM_ID}', '-m', f'{self.mib}M',
            '-kernel', os.environ['RWP_GUEST_KERNEL'],
            '-initrd', os.environ['RWP_GUEST_INITRD'],
            '-append', self.append,
            '-chardev', f'file,id=console,path={self.console}',
            '-serial', 'chardev:console',
            '-chardev', f'socket,id=load,fd={theirs.fileno()}',
            '-serial', 'chardev:load', *args)
        try:
            self.vm.launch()
        finally:
            theirs.close()
        self.load = GuestLoad(ours, self.console)

    def boot(self, *args: str) -> None:
        """Start QEMU and wait until the load in the guest listens."""
        self.launch(*args)
        self.load.wait_ready()

    def close(self) -> None:
        """End QEMU."""
        self.vm.shutdown()
        if hasattr(self, 'load'):
            self.load.close()

    # What QEMU sees

    def working_set(self, *windows: int) -> Dict[str, Any]:
        """The answer of query-working-set."""
        args: Dict[str, Any] = {'id': RAM_ID}
        if windows:
            args['windows'] = list(windows)
        return self.vm.cmd('query-working-set', args)[0]

    def scan(self) -> Dict[str, Any]:
        """End the interval now; what is known then."""
        self.vm.cmd('scan-working-set', {'id': RAM_ID})
        return self.working_set()

    def next_interval(self, epochs: int) -> Dict[str, Any]:
        """Wait until more than so many intervals have ended by themselves."""
        def probe() -> Optional[Dict[str, Any]]:
            info = self.working_set()
            return info if info['epochs'] > epochs else None
        return poll('end of an interval', probe)

    def set_backend(self, name: str, value: Any) -> None:
        """Change a property of the backend on the running guest."""
        self.vm.cmd('qom-set', {'path': f'/objects/{RAM_ID}',
                                'property': name, 'value': value})

    def wait_state(self, state: str) -> Dict[str, Any]:
        """Wait for a tracking state."""
        def probe() -> Optional[Dict[str, Any]]:
            info = self.working_set()
            return info if info['state'] == state else None
        return poll(f'tracking state {state}', probe)

    def wait_state_event(self, state: str) -> Dict[str, Any]:
        """Wait until QEMU reports a tracking state; what it says."""
        event = self.vm.event_wait('WORKING_SET_STATE_CHANGE', PATIENCE,
                                   {'data': {'id': RAM_ID, 'state': state}})
        return event['data']

    def export(self) -> Dict[str, Any]:
        """
        What export-working-set writes, as scripts/working-set-ages.py reads
        it.
        """
        path = os.path.join(self.directory, 'ages')
        self.vm.cmd('export-working-set', {'id': RAM_ID, 'filename': path})
        reader = Path(__file__).resolve().parents[2] / 'scripts'
        output = subprocess.run(
            [sys.executable, str(reader / 'working-set-ages.py'), '--json',
             '--ranges', path], stdout=subprocess.PIPE, check=True).stdout
        os.unlink(path)
        return json.loads(output)

    # What is true

    def physical_pages(self, name: str) -> Set[int]:
        """Guest-physical page numbers of a set of the load."""
        path = os.path.join(self.directory, 'bitmap')
        answer = self.load.ask(f'map {name}')
        pages: Set[int] = set()
        for i, where in enumerate(answer['bitmap'].split(',')):
            self.vm.cmd('pmemsave', {'val': int(where, 0), 'size': PAGE,
                                     'filename': path})
            with open(path, 'rb') as file:
                bits = file.read()
            pages.update(i * PAGE * 8 + n * 8 + bit
                         for n, byte in enumerate(bits) if byte
                         for bit in range(8) if byte >> bit & 1)
        os.unlink(path)
        if len(pages) != int(answer['pages']):
            raise LoadError(f'{name} has {answer["pages"]} pages, '
                            f'its bitmap {len(pages)}')
        return pages


def pages_of_age(ranges: List[Dict[str, Any]], low: int,
                 high: int) -> Set[int]:
    """
    Guest-physical page numbers of the exported ranges of the ages @low to
    @high.
    """
    pages: Set[int] = set()
    for entry in ranges:
        if entry['gpa'] is not None and low <= entry['age'] <= high:
            first = entry['gpa'] // PAGE
            pages.update(range(first, first + entry['size'] // PAGE))
    return pages


def bytes_of_age(info: Dict[str, Any], age: int) -> int:
    """The class of the idle age histogram that @age falls into."""
    for entry in info['idle-ages']:
        if entry['min-age'] <= age <= entry.get('max-age', age):
            return entry['bytes']
    raise LookupError(f'no class of the histogram has the age {age}')
