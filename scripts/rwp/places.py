# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things lie, and the environment that a test's command finds.

The command of a test is the same on the host and in the outer VM: it is run in
RWP_ROOT (build/vm/root on the host, /qemu in the VM), with this environment.
"""

import os
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
SCRIPTS = TOP / 'scripts/rwp'
BUILD = TOP / 'build'
LOGS = BUILD / 'logs'
TREE = BUILD / 'qemu'
QEMU_BUILD = TREE / 'build'
VM = BUILD / 'vm'
ROOT = VM / 'root'

# Set by a user or a test, handed on into the VM.
PASSED_ON = ('RWP_', 'QTEST_', 'G_TEST', 'QEMU_TEST_')
# ... but for these, which mean something on the host only.
HOST_ONLY = ('RWP_CACHE', 'RWP_KERNEL', 'RWP_MODULES', 'RWP_STARTED', 'RWP_LOCKED',
             'RWP_VM_')


def environment(root: str, work: str) -> dict:
    """What a command run in ROOT needs; WORK is where it may write."""
    inherited = {name: value for name, value in os.environ.items()
                 if name.startswith(PASSED_ON) and not name.startswith(HOST_ONLY)}
    for name in ('TERM', 'COLUMNS', 'LINES'):
        if name in os.environ:
            inherited[name] = os.environ[name]
    return {
        'QTEST_QEMU_BINARY': f'{root}/bin/qemu-system-x86_64',
        'QEMU_TEST_QEMU_BINARY': f'{root}/bin/qemu-system-x86_64',
        **inherited,
        'RWP_ROOT': root,
        'RWP_WORK': work,
        'RWP_GUEST_KERNEL': f'{root}/guest/vmlinuz',
        'RWP_GUEST_INITRD': f'{root}/guest/initrd',
        'QEMU_BUILD_ROOT': work,
        'PYTHONPATH': f'{root}/python:{root}/tests/functional',
        'PYTHONUNBUFFERED': '1',
    }
