"""Images that are the same, by their content and whatever they are called."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# Bytes at the end of a file that differ mostly, and are compared first.
_BLOCK = 4096


def find_copies(held: Iterable[Path], others: Iterable[Path]) -> dict[Path, set[Path]]:
    """Files that are among some others, byte by byte.

    Only files of equal size are opened.

    Args:
        held: Those that are looked for.
        others: Those that are looked through. What does not exist is compared by its path alone.

    Returns:
        Which of ``held`` a file of ``others`` is, for each that is one.
    """
    by_bytes: dict[int, list[Path]] = defaultdict(list)
    for path in held:
        by_bytes[_bytes(path)].append(path)

    @cache
    def digest(path: Path, whole: bool) -> bytes:
        return _digest(path, whole)

    def same(one: Path, other: Path) -> bool:
        return all(digest(one, whole) == digest(other, whole) for whole in (False, True))

    found = {}
    for path in others:
        size = _bytes(path)
        candidates = by_bytes.get(size, ())
        if copies := {
            each for each in candidates if each == path or (size >= 0 and same(each, path))
        }:
            found[path] = copies
    return found


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _digest(path: Path, whole: bool) -> bytes:
    """Of a file's content, or of its end alone."""
    with open(path, 'rb') as file:
        if not whole:
            file.seek(max(0, file.seek(0, 2) - _BLOCK))
        return hashlib.sha256(file.read()).digest()
