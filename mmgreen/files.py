"""Files that are written whole, or not at all."""

import errno
import os
import secrets
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

from mmengine.logging import print_log

from .errors import UserError

_ADVICE = {
    errno.ENOSPC: 'free some space on that disk',
    errno.EDQUOT: 'your quota there is used up: free some space',
    errno.EACCES: 'choose a folder that you may write to',
    errno.EPERM: 'choose a folder that you may write to',
    errno.EROFS: 'choose a folder on a disk that is not read-only',
}


def write_whole(path: str | os.PathLike, content: bytes | str) -> None:
    """Write a file so that whoever reads it finds the new content, or the earlier one.

    It is written aside as ``PATH.*.part``, synced to the disk, and renamed; the
    folder is synced, too, so that it is there after a power cut. A process that
    is killed leaves at most the ``.part`` file behind.

    Args:
        path: Its folder is made where it is not there.
        content: Text is written as UTF-8.

    Raises:
        UserError: If it cannot be written; the earlier file, if there is one,
            is as it was.
    """
    path = Path(path)
    # Processes that write the same file, as mmengine's may, each write one of their own aside.
    part = path.with_name(f'{path.name}.{secrets.token_hex(4)}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, 'wb') as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # the folder itself may be out of reach
            part.unlink(missing_ok=True)
        raise UserError(f'cannot write {path}: {explain(error)}') from error


def write_keeping(path: str | os.PathLike, content: str) -> Path | None:
    """Write a file, and keep what was there if it was another content (:func:`keep_copy`).

    Returns:
        Where the earlier content is now; None where there was none, or the same.

    Raises:
        UserError: If something cannot be written.
    """
    path = Path(path)
    there = path.is_file() and path.read_bytes() != content.encode()
    kept = keep_copy(path) if there else None
    write_whole(path, content)
    return kept


def keep_copy(path: Path) -> Path:
    """Copy a file that will be written anew to ``PATH.1``, ``.2`` and so on, and say so.

    Raises:
        UserError: If it cannot be copied.
    """
    copies = (path.with_name(f'{path.name}.{number}') for number in count(1))
    kept = next(copy for copy in copies if not copy.exists())
    try:
        shutil.copy2(path, kept)
    except OSError as error:
        raise UserError(f'cannot keep a copy of {path}: {explain(error)}') from error
    print_log(f'{path} was there with another content, which is kept as {kept}', logger='current')
    return kept


def explain(error: OSError) -> str:
    """What the system says, and what to do about it where that is known."""
    reason = (error.strerror or str(error)).lower()
    advice = _ADVICE.get(error.errno or 0)
    return f'{reason}; {advice}' if advice else reason


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems sync no folders
            raise
    finally:
        os.close(descriptor)
