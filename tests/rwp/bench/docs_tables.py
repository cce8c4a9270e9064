# Tables into the docs
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""
A block of tables stands between two comments in the docs: one sentence on
the machine, then sections that are known by their titles.  Those that were
not made anew stay as they are.
"""

from pathlib import Path
import re
from typing import Dict, List

from table import Table


TITLE = re.compile(r'^(?=(.+)\n~+$)', re.MULTILINE)


def put_tables(docs: Path, block: str, intro: str,
               tables: List[Table]) -> None:
    """TABLES instead of those of the same titles, or after all others."""
    begin, end = f'.. {block} begin\n', f'.. {block} end\n'
    head, _, rest = docs.read_text(encoding='utf8').partition(begin)
    body, _, tail = rest.partition(end)
    # What is before the first title, then a title and its section in turns.
    parts = TITLE.split(body)[1:]
    sections: Dict[str, str] = dict(zip(parts[::2], parts[1::2]))
    sections.update((table.title, table.rst()) for table in tables)
    text = '\n\n'.join(part.strip('\n') for part in (intro, *sections.values()))
    docs.write_text(f'{head}{begin}\n{text}\n\n{end}{tail}', encoding='utf8')
