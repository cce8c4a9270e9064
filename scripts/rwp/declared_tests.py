#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell what tests the top-level meson.build declares.

usage: declared_tests.py programs       the programs to build in QEMU's build folder
"""

import json
import sys

from places import BUILD


def declared():
    """The test() entries, in order: name, suites, options, command, env, timeout."""
    try:
        entries = json.loads((BUILD / 'meson-info/intro-tests.json').read_text())
    except FileNotFoundError:
        return []
    tests = []
    for entry in entries:
        command = entry['cmd'][1:]
        split = command.index('--') if '--' in command else -1
        tests.append({
            'name': entry['name'],
            'suites': [suite.split(':')[-1] for suite in entry['suite']],
            'options': command[:split] if split >= 0 else [],
            'command': command[split + 1:],
            'env': entry['env'],
            'timeout': entry['timeout'],
            'tap': entry['protocol'] == 'tap',
        })
    return tests


def programs():
    """Test programs that QEMU's build makes: tests/qtest/NAME."""
    return sorted({test['command'][0] for test in declared()
                   if test['command'][:1] and test['command'][0].startswith('tests/qtest/')})


if __name__ == '__main__':
    if sys.argv[1:] == ['programs']:
        print(*programs(), sep='\n')
    else:
        sys.exit(__doc__)
