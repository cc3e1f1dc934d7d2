"""mmengine's local files, written whole or not at all."""

import os

from mmengine.fileio import LocalBackend, register_backend

from mmgreen.files import write_whole


class AtomicBackend(LocalBackend):  # type: ignore[misc]
    """mmengine's ``LocalBackend`` whose writes cannot be torn.

    It takes the place of mmengine's own, so it serves all checkpoints, those of
    ``FlexibleRunner`` too, and everything else that goes through
    ``mmengine.fileio``.

    Raises:
        UserError: If a file cannot be written.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike[str]) -> None:
        write_whole(filepath, obj)

    def put_text(self, obj: str, filepath: str | os.PathLike[str], encoding: str = 'utf-8') -> None:
        write_whole(filepath, obj.encode(encoding))


register_backend('local', AtomicBackend, prefixes='', force=True)
