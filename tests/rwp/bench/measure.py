#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the bench's programs on a kernel with RWP; run.py calls this.

Their results go to $RWP_WORK/bench, one file of JSON each.

usage: measure.py [PART]...     (programs.py has them; all if none is named)
"""

import json
import os
from pathlib import Path
import platform
import subprocess
import sys
import time

from programs import PARTS, command, result_file


def main() -> None:
    """Run them one after the other; each has the machine for itself."""
    here = Path(__file__).resolve().parent
    results = Path(os.environ['RWP_WORK']) / 'bench'
    results.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(
        [os.environ['QTEST_QEMU_BINARY'], '--version'], check=True,
        encoding='utf8', stdout=subprocess.PIPE).stdout.splitlines()[0]
    emulated = 'QEMU' in Path('/sys/class/dmi/id/sys_vendor').read_text('utf8')
    (results / 'machine.json').write_text(json.dumps({
        'kernel': platform.release(), 'qemu': version,
        'cpus': os.cpu_count(), 'emulated': emulated}), encoding='utf8')

    failed = []
    for part in sys.argv[1:] or PARTS:
        start = time.monotonic()
        program, *options = command(part)
        status = subprocess.run(
            [sys.executable, str(here / program),
             str(results / result_file(part)), *options],
            check=False).returncode
        print(f'bench: {part}: {"done" if not status else "FAILED"} in '
              f'{time.monotonic() - start:.0f} s', file=sys.stderr)
        if status:
            failed.append(part)
    sys.exit(f'bench: failed: {", ".join(failed)}' if failed else 0)


if __name__ == '__main__':
    main()
