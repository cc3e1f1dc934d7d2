"""Where in which shard every image is."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass

import numpy as np

from mmgreen.errors import UserError

#: The file that makes a folder a pack.
INDEX = 'pack.json'
#: Where each image is; named in the former.
MEMBERS = 'members.npz'
_VERSION = 1


@dataclass(frozen=True)
class Shard:
    """One tar.

    Attributes:
        name: Name of the file.
        bytes: Its size.
        sha256: Hash of its content.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """What a pack holds.

    Attributes:
        short_side: To which longer images were reduced, in pixels.
        classes: Names of the class folders; None where there are none.
        shards: The shards in their order.
        shard, offset, size: For each image its shard, and where in it its bytes are; int64, (N,).
        label: Its class, int64, (N,); -1 where it is in no class folder.
        names: Its path in the folder that was packed, with the ending that it has now.
    """

    short_side: int
    classes: tuple[str, ...] | None
    shards: tuple[Shard, ...]
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    label: np.ndarray
    names: tuple[str, ...]

    def write(self) -> dict[str, bytes]:
        """Content of the two files, by name; the one that makes it a pack comes last."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            shard=self.shard,
            offset=self.offset,
            size=self.size,
            label=self.label,
            names=np.frombuffer('\n'.join(self.names).encode(), np.uint8),
        )
        members = buffer.getvalue()
        content = dict(
            format='mmgreen pack',
            version=_VERSION,
            images=len(self.names),
            short_side=self.short_side,
            classes=self.classes,
            members=hashlib.sha256(members).hexdigest(),
            shards=[asdict(shard) for shard in self.shards],
        )
        return {MEMBERS: members, INDEX: json.dumps(content, indent=1).encode()}


def read_index(content: bytes, members: bytes, where: str) -> Index:
    """The index of two files.

    Args:
        said: Content of :data:`INDEX`.
        members: Content of :data:`MEMBERS`.
        where: What an error calls the pack.

    Raises:
        UserError: If they are torn, do not belong together, or are of another version.
    """
    try:
        found = json.loads(content)
        version = found['version']
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{where}/{INDEX} is not the index of a pack: pack the images again'
        ) from error
    if version != _VERSION:
        raise UserError(
            f'{where} is a pack of version {version}, and this mmgreen reads version {_VERSION}: pack '
            'the images again, or use the mmgreen that packed them'
        )
    if hashlib.sha256(members).hexdigest() != found['members']:
        raise UserError(
            f'{where}/{MEMBERS} is damaged or belongs to another pack: copy the pack again'
        )
    with np.load(io.BytesIO(members), allow_pickle=False) as arrays:
        names = bytes(arrays['names']).decode().split('\n') if found['images'] else []
        return Index(
            short_side=found['short_side'],
            classes=None if found['classes'] is None else tuple(found['classes']),
            shards=tuple(Shard(**shard) for shard in found['shards']),
            shard=arrays['shard'],
            offset=arrays['offset'],
            size=arrays['size'],
            label=arrays['label'],
            names=tuple(names),
        )
