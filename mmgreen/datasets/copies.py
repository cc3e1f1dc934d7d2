"""Files of images that are somewhere, and those that are the same, whatever they are called."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .packs import is_pack
from .tree import look_through

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


def files_of(path: Path, folder: Path) -> list[Path] | None:
    """Images of a folder, or those below another one that a file names; None if they are not known."""
    return files_in(path, None) if path.is_dir() else files_in(folder, path)


def files_in(folder: Path, listed: Path | None) -> list[Path] | None:
    """Images of a folder, or those of it that a list or COCO's annotations name; None if they are not known."""
    if not folder.is_dir() or is_pack(str(folder)):
        return None
    if listed is None:
        return [folder / name for name in look_through(str(folder)).images]
    if listed.suffix == '.json':
        return files_of_coco(listed, folder)
    if listed.suffix != '.txt' or not listed.is_file():
        return None
    found = []
    for line in listed.read_text(encoding='utf-8').splitlines():
        path = folder / line
        # Lists of labelled images have a class after each name.
        found.append(path if path.exists() else folder / (line.rpartition(' ')[0] or line))
    return found


def files_of_coco(ann_file: Path, folder: Path, chosen: set | None = None) -> list[Path] | None:
    """Images of an annotation file, or those of some ids; None if it does not name files."""
    if not ann_file.is_file():
        return None
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    images = content.get('images') if isinstance(content, dict) else None
    if not images or not all('file_name' in image for image in images):
        return None
    return [folder / image['file_name'] for image in images if not chosen or image['id'] in chosen]
