"""The files of a folder: each real one once, hidden ones never, links followed.

Whatever looks through folders of images goes through here, so that a check, a config, a pack and a
training find the same ones. Nothing here is slow to import.
"""

import os
import stat
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mmgreen.errors import UserError

from .faults import listed
from .images import UNREAD_EXTENSIONS, is_image_name

#: Why an image is left out.
HIDDEN = 'hidden (in a folder or file whose name begins with a dot, or of a system)'
TWICE = 'there a second time, by a link'
UNREAD = 'of a kind that is not read: convert to JPEG, PNG or TIFF'
UNNAMEABLE = 'with a name that lists and configs cannot hold (not UTF-8, a line break): rename'
# What systems put into folders that people share.
_OF_SYSTEMS = ('__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information', 'lost+found')


@dataclass(frozen=True)
class FoundFile:
    """A file of a folder.

    Attributes:
        name: Path below the folder, with forward slashes; of one outside it, the whole path.
        identity: Device and number, the same for all links to it.
    """

    name: str
    identity: tuple[int, int]


@dataclass
class Tree:
    """What a folder holds.

    Attributes:
        folder: The folder.
        images: By name, in the order of names; each real file once.
        others: Names of other files that are not hidden.
        left_out: Names of images that are not among them, by reason.
        links: Names of links to folders that are there by another name, and these names.
    """

    folder: Path
    images: dict[str, FoundFile]
    others: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._root = os.path.realpath(self.folder)
        self._by_identity = {file.identity: file for file in self.images.values()}
        self._by_end: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_own_name: dict[str, list[str]] = defaultdict(list)
        for name in self.images:
            plain = _plain(name)
            self._by_end[plain.rpartition('/')[2]].append(name)
            self._by_stem[stem(plain)].append(name)
            self._by_own_name[stem(plain).rpartition('/')[2]].append(name)

    def say_left_out(self) -> None:
        """Log which images are not taken, and why, where some are not."""
        from mmengine.logging import print_log  # slow to import

        for reason, names in self.left_out.items():
            print_log(
                f'{self.folder}: left out: {len(names)} {reason} ({listed(names)})', 'current'
            )

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.folder / name

    def names(self, name: str) -> list[str]:
        """All names of a file: its own, and those by links to folders that it is in."""
        found = [name]
        for link, folder in self.links.items():
            if name.startswith(f'{folder}/') and not link.startswith(f'{folder}/'):
                found.append(link + name[len(folder) :])
        return found

    def locate(self, text: str, *folders: str) -> list[str]:
        """Images that a text, such as a line of a list, may mean: one, none, or several.

        It is the image at this path below the first of the folders that has one, else below the
        folder of the dataset, else wherever the longest end of the path fits: exporters write paths
        of their own machines. The whole text is tried before backslashes are taken for separators.

        Args:
            text: Path, relative or absolute.
            folders: Names of folders to look in first, below that of the dataset.
        """
        for written in dict.fromkeys((text, text.replace('\\', '/'))):
            for folder in (*folders, ''):
                found = self.at(folder, written)
                if found:
                    return [found]
        return self._ending(text.replace('\\', '/'))

    def with_stem(self, path: str) -> list[str]:
        """Images at a path that lacks its ending."""
        return self._by_stem.get(_plain(os.path.normpath(path)), [])

    def called(self, own: str) -> list[str]:
        """Images of a name without its ending, in whatever folder."""
        return self._by_own_name.get(_plain(own), [])

    def at(self, folder: str, written: str) -> str | None:
        """The image at a path below a folder, by a link or not; ``None`` where there is none."""
        name = os.path.normpath(os.path.join(folder, written))
        if name in self.images:
            return name
        path = os.path.join(self._root, name)
        try:
            found = os.stat(path)
        except (OSError, ValueError):  # no such file, or no text that can name one
            return None
        if not stat.S_ISREG(found.st_mode) or not is_image_name(name):
            return None
        identity = (found.st_dev, found.st_ino)
        if identity in self._by_identity:  # by a link, or an absolute path
            return self._by_identity[identity].name
        real = os.path.realpath(path)
        if real.startswith(self._root + os.sep):  # hidden, so not for us
            return None
        outside = FoundFile(real, identity)
        self.images[real] = self._by_identity[identity] = outside
        return real

    def _ending(self, written: str) -> list[str]:
        parts = _plain(os.path.normpath(written)).split('/')
        found = self._by_end.get(parts[-1], [])
        for count in range(2, len(parts) + 1):
            end = '/' + '/'.join(parts[-count:])
            closer = [name for name in found if f'/{_plain(name)}'.endswith(end)]
            if not closer:
                break
            found = closer
        return found


def stem(name: str) -> str:
    """A path without the ending of the file: ``a/cam.1.jpg`` is ``a/cam.1``."""
    return str(PurePosixPath(name).with_suffix('')) if PurePosixPath(name).name else name


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: ``.ipynb_checkpoints``, ``._a.jpg``."""
    return name.startswith('.') or name in _OF_SYSTEMS


def is_nameable(name: str) -> bool:
    """Whether a name can stand in lists and configs: printable, and nothing that mmengine replaces."""
    return '{{' not in name and all(c.isprintable() for c in name)


def look_through(folder: str | os.PathLike) -> Tree:
    """Find all files below a folder.

    Links are followed, each real folder and file is taken once (by the name that is no link, where
    there is one), and what is hidden is left out.

    Raises:
        UserError: If there is no such folder, or a folder below it cannot be looked into.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f'folder {folder} does not exist')
    tree = _Walk(str(root))
    tree.run()
    images = {file.name: file for file in sorted(tree.images, key=lambda file: file.name)}
    left_out = {reason: sorted(names) for reason, names in tree.left_out.items()}
    links = {link: folder for link, folder in sorted(tree.links.items()) if folder}
    return Tree(root, images, sorted(tree.others), left_out, links)


class _Walk:
    """A walk through folders: what is no link first, what is hidden last."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.images: list[FoundFile] = []
        self.others: list[str] = []
        self.left_out: dict[str, list[str]] = defaultdict(list)
        self.links: dict[str, str] = {}
        self._folders: dict[tuple[int, int], str] = {}
        self._files: set[tuple[int, int]] = set()

    def run(self) -> None:
        # Folders to look into, and files that are links: they wait until the others are known.
        now, linked, hidden = [''], list[str](), list[str]()
        files: list[tuple[str, os.stat_result]] = []
        while now or files or linked or hidden:
            if now:
                self._visit(now.pop(), now, linked, hidden, files)
            elif files:
                for name, found in sorted(files, key=lambda pair: pair[0]):
                    self._add(name, found)
                files = []
            elif linked:
                linked.sort(reverse=True)
                now.append(linked.pop())
            else:
                self._count_hidden(hidden.pop())

    def _visit(
        self,
        below: str,
        now: list[str],
        linked: list[str],
        hidden: list[str],
        files: list[tuple[str, os.stat_result]],
    ) -> None:
        path = os.path.join(self.root, below)
        found = os.stat(path)
        identity = (found.st_dev, found.st_ino)
        if identity in self._folders:
            self.links[below] = self._folders[identity]
            return
        self._folders[identity] = below
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            raise UserError(f'folder {path} cannot be looked into: {error.strerror}') from error
        for entry in entries:
            name = f'{below}/{entry.name}' if below else entry.name
            if is_hidden(entry.name):
                hidden.append(name)
                continue
            try:
                found = entry.stat()
            except OSError:  # a link to nothing
                if is_image_name(entry.name):
                    self.left_out['that are links to nothing'].append(name)
                continue
            if stat.S_ISDIR(found.st_mode):
                (linked if entry.is_symlink() else now).append(name)
            elif not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
                if is_image_name(entry.name):
                    self.left_out['that are no files'].append(name)
            elif entry.is_symlink():
                files.append((name, found))
            else:
                self._add(name, found)

    def _add(self, name: str, found: os.stat_result) -> None:
        if not is_image_name(name):
            if name.lower().endswith(UNREAD_EXTENSIONS):
                self.left_out[UNREAD].append(name)
            else:
                self.others.append(name)
            return
        identity = (found.st_dev, found.st_ino)
        if identity in self._files:
            self.left_out[TWICE].append(name)
        elif not is_nameable(name):
            self.left_out[UNNAMEABLE].append(name)
        else:
            self._files.add(identity)
            self.images.append(FoundFile(name, identity))

    def _count_hidden(self, name: str) -> None:
        path = os.path.join(self.root, name)
        if not os.path.isdir(path):
            if is_image_name(name):
                self.left_out[HIDDEN].append(name)
            return
        for parent, _, names in os.walk(path):  # links are not followed: it is only counted
            below = os.path.relpath(parent, self.root)
            self.left_out[HIDDEN] += [f'{below}/{n}' for n in names if is_image_name(n)]


def _plain(name: str) -> str:
    """One form of letters that can be written in several, as macOS writes them in another."""
    return name if name.isascii() else unicodedata.normalize('NFC', name)
