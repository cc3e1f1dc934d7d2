"""A folder of images turned into a pack."""

import hashlib
import io
import json
import os
import random
import tarfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps
from rich.progress import Progress, track

from mmgreen.errors import UserError
from mmgreen.files import explain, write_whole
from mmgreen.images import is_deep

from ..images import EXTENSIONS
from ..tree import look_through
from .index import INDEX, Index, Shard
from .reading import Pack

#: Images in a shard: of 256 pixels, some hundred MiB.
IMAGES_PER_SHARD = 5000
#: Images that are not in the pack, and why.
LEFT_OUT = 'left_out.txt'
_BEGUN = 'packing.json'
# JPEG quality of images that are reduced; the others are copied as they are.
_QUALITY = 92
_BLOCK = 512  # of a tar


@dataclass(frozen=True)
class PackingResult:
    """What became of a folder.

    Attributes:
        images: Number of those that were packed.
        left_out: Names of those that are not, and why.
        bytes: Bytes of all shards.
    """

    images: int
    left_out: dict[str, str]
    bytes: int


def pack_folder(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    short_side: int = 256,
    processes: int | None = None,
    images_per_shard: int = IMAGES_PER_SHARD,
) -> PackingResult:
    """Pack every image below a folder, nested as deep as it may be.

    Images are in an order drawn once, so that any shard is like the others. One with a longer short
    side is reduced to it and stored as JPEG, turned as its EXIF says; all others are copied as they
    are. Subfolders are classes, as in ImageNet. Called again after an interruption, it goes on with
    the shards that are not there.

    Args:
        folder: Images.
        out: Folder of the pack.
        short_side: Pixels; 0 keeps every image as it is.
        processes: By default as many as there are processors.
        images_per_shard: So many images in a file.

    Raises:
        UserError: If there is no image, ``out`` is a pack already or was begun of another folder or
            with other settings, or it cannot be written.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise UserError(f'folder {folder} does not exist')
    if (out / INDEX).exists():
        raise UserError(f'{out} is a pack already: name another folder, or remove it')
    tree = look_through(folder)
    tree.say_left_out()
    found = list(tree.images)
    if not found:
        raise UserError(f'there is no image below {folder} ({", ".join(EXTENSIONS)})')
    classes = tuple(sorted({PurePosixPath(name).parts[0] for name in found if '/' in name})) or None
    random.Random(0).shuffle(found)
    _begin(out, found, short_side, images_per_shard)

    # Names of members do not depend on which shard they are in.
    taken = _shared_stems(found)
    parts = [found[i : i + images_per_shard] for i in range(0, len(found), images_per_shard)]
    write = partial(_write_shard, folder, out, short_side, classes, taken)
    written = []
    try:
        with Progress() as progress, ProcessPoolExecutor(processes) as pool:
            bar = progress.add_task('Shards', total=len(parts))
            for done in pool.map(write, range(len(parts)), parts):
                written.append(done)
                progress.update(bar, advance=1)
    except OSError as error:
        raise UserError(f'cannot write {out}: {explain(error)}') from error
    left_out = {name: why for done in written for name, why in done['left_out'].items()}
    index = _index(written, short_side, classes)
    if not index.names:
        raise UserError(
            f'no image of {folder} can be packed, the first for: {min(left_out.values())}'
        )
    if left_out:
        lines = [f'{name}\t{why}\n' for name, why in sorted(left_out.items())]
        write_whole(out / LEFT_OUT, ''.join(lines))
    for name, content in index.write().items():
        write_whole(out / name, content)
    for number in range(len(parts)):
        _note(out, number).unlink()
    (out / _BEGUN).unlink()
    return PackingResult(len(index.names), left_out, sum(shard.bytes for shard in index.shards))


def check_pack(folder: str | os.PathLike) -> PackingResult:
    """Compare every shard with the hash that it was written with.

    Raises:
        UserError: If one is missing or has changed.
    """
    pack = Pack(str(folder))
    for shard in track(pack.index.shards, 'Shards'):
        if _hash(Path(folder, shard.name)) != shard.sha256:
            raise UserError(f'shard {folder}/{shard.name} has changed: copy it again')
    return PackingResult(len(pack), {}, sum(shard.bytes for shard in pack.index.shards))


def _shared_stems(names: list[str]) -> frozenset[str]:
    """What several images are called but for their endings."""
    counts = Counter(os.path.splitext(name)[0] for name in names)
    return frozenset(stem for stem, count in counts.items() if count > 1)


def _begin(out: Path, found: list[str], short_side: int, images_per_shard: int) -> None:
    names = hashlib.sha256('\n'.join(found).encode()).hexdigest()
    settings = dict(names=names, short_side=short_side, images_per_shard=images_per_shard)
    begun = out / _BEGUN
    if begun.is_file():
        if json.loads(begun.read_text(encoding='utf-8')) != settings:
            raise UserError(
                f'{out} was started from other images or with other settings: remove it, or name another '
                'folder'
            )
    else:
        write_whole(begun, json.dumps(settings))


def _write_shard(
    folder: Path,
    out: Path,
    short_side: int,
    classes: tuple[str, ...] | None,
    taken: frozenset[str],
    number: int,
    names: list,
) -> dict:
    """Write one tar, unless an earlier call did; what is in it. Called in processes of its own."""
    name = f'shard-{number:05d}.tar'
    note = _note(out, number)
    if note.is_file():
        done: dict = json.loads(note.read_text(encoding='utf-8'))
        if (out / name).is_file() and (out / name).stat().st_size == done['bytes']:
            return done
    part = out / f'{name}.part'
    members, left_out = [], {}
    with open(part, 'wb') as file, tarfile.open(fileobj=file, mode='w') as tar:
        for image in names:
            try:
                content, ending = _encoded(folder / image, short_side)
            except Exception as error:  # Pillow raises what the format's decoder raises
                left_out[image] = f'{type(error).__name__}: {error}'.replace('\n', ' ')
                continue
            stem = os.path.splitext(image)[0]
            if stem in taken:  # a.jpg and a.png, which tools of tars would take for one sample
                stem = image.replace('.', '_')
            label = classes.index(image.split('/')[0]) if classes and '/' in image else -1
            _add(tar, stem + ending, content)
            offset = tar.offset - -(-len(content) // _BLOCK) * _BLOCK
            members.append((stem + ending, offset, len(content), label))
            if label >= 0:
                _add(tar, f'{stem}.cls', str(label).encode())
    with open(part, 'rb') as whole:
        os.fsync(whole.fileno())
    os.replace(part, out / name)
    size, digest = (out / name).stat().st_size, _hash(out / name)
    done = dict(name=name, bytes=size, sha256=digest, members=members, left_out=left_out)
    write_whole(note, json.dumps(done))
    return done


def _encoded(path: Path, short_side: int) -> tuple[bytes, str]:
    """An image as it is stored, and how its name ends; decoded whole, whether it is reduced or not."""
    if is_deep(str(path)):
        raise ValueError('has more than eight bits or other channels than a pack keeps')
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        shortest = min(image.size)
        if not short_side or shortest <= short_side:
            return content, path.suffix.lower()
        turned = ImageOps.exif_transpose(image).convert('RGB')
        size = tuple(max(1, round(side * short_side / shortest)) for side in turned.size)
        buffer = io.BytesIO()
        turned.resize(size, Image.Resampling.BICUBIC).save(buffer, 'JPEG', quality=_QUALITY)
        return buffer.getvalue(), '.jpg'


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _index(written: list[dict], short_side: int, classes: tuple[str, ...] | None) -> Index:
    rows = [(i, *member) for i, done in enumerate(written) for member in done['members']]

    def column(place: int) -> np.ndarray:
        return np.array([row[place] for row in rows], np.int64)

    shards = tuple(Shard(done['name'], done['bytes'], done['sha256']) for done in written)
    names = tuple(row[1] for row in rows)
    return Index(short_side, classes, shards, column(0), column(2), column(3), column(4), names)


def _note(out: Path, number: int) -> Path:
    return out / f'shard-{number:05d}.json'


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
