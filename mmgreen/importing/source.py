"""A folder that is being read: its files, and what is found on the way."""

from collections import Counter, defaultdict
from pathlib import Path

from mmgreen.datasets.faults import Faults
from mmgreen.datasets.sizes import ImageHeader, describe_difference, look
from mmgreen.datasets.tree import Tree, look_through

#: Why an image is left out.
NO_IMAGE = 'that cannot be read as an image'
STACK = 'that are stacks of several pages: save each page as a file of its own'
NOT_ANNOTATED = 'not annotated'
IN_NO_LIST = 'in no list of the splits'
IN_NO_SPLIT = 'in no folder of the splits'


class Source:
    """What layouts read from, and tell what they find.

    Args:
        folder: Folder of the images.
        annotations: Folder of the annotation files, where it is another one.

    Attributes:
        tree: Files of the images' folder.
        notes: Files of the annotations' folder; ``tree`` where it is the same.
        faults: What nothing can be done with.
        warnings: What is likely wrong, in words.
        remarks: What was done, in words.
        left_out: Names of images that are not used, by reason.
        objects_left_out: How many objects of what.
        modes: How many images of each mode were looked at.
        json_kinds: What kind of annotations each JSON file holds, by folder, where that was asked.

    Raises:
        UserError: If a folder does not exist.
    """

    def __init__(self, folder: Path, annotations: Path | None = None) -> None:
        self.tree: Tree = look_through(folder)
        self.notes: Tree = look_through(annotations) if annotations else self.tree
        self.faults = Faults()
        self.warnings: list[str] = []
        self.remarks: list[str] = []
        self.left_out: dict[str, list[str]] = defaultdict(list, self.tree.left_out)
        self.objects_left_out: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.json_kinds: dict[int, dict[str, str | None]] = {}
        self._heads: dict[str, ImageHeader | None] = {}

    @property
    def folder(self) -> Path:
        """The images' folder."""
        return self.tree.folder

    def leave_out(self, reason: str, name: str) -> None:
        """An image is not used."""
        self.left_out[reason].append(name)

    def size(self, name: str) -> tuple[int, int] | None:
        """Width and height of an image as it is shown; of none that can be used, ``None``."""
        if name not in self._heads:
            head = look(self.tree.path(name))
            if head is None or head.pages > 1:
                self.leave_out(NO_IMAGE if head is None else STACK, name)
                head = None
            else:
                self.modes[head.mode] += 1
            self._heads[name] = head
        head = self._heads[name]
        return head.size if head else None

    def compare_size(self, name: str, declared: tuple, where: str) -> None:
        """Note a fault where annotations are for an image of another size.

        Args:
            name: The image.
            declared: Width and height that the annotations say; 0 or ``None`` where they do not.
            where: The annotation file.
        """
        size = self.size(name)
        if size and all(declared) and tuple(declared) != size:
            said = describe_difference(self.tree.path(name), declared, size)
            self.faults.add('size of an image', name, f'{where}: {said}')
