"""Names are data: of categories, of files, of folders."""

import re
from collections import defaultdict
from collections.abc import Iterable


def clean_name(name: object) -> str:
    """A name as it is written everywhere: spaces and line breaks within it become one space each.

    Characters that are not printed, such as those that turn the direction of a line, are left out.
    """
    words = re.sub(r'\s+', ' ', str(name)).strip()
    return ''.join(c for c in words if c.isprintable())


def printable(text: object) -> str:
    """A text on one line, with nothing in it that a terminal would obey."""
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Names that differ in nothing but large and small letters."""
    by_letters: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_letters[name.casefold()].append(name)
    return [tuple(some) for some in by_letters.values() if len(some) > 1]
