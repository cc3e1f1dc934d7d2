"""Images of a pack, from a disk or from a store that fsspec knows."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import fsspec
from mmengine.fileio import BaseStorageBackend, register_backend

from mmgreen.errors import UserError

from .index import INDEX, MEMBERS, Index, read_index

#: How often a store is asked before it is given up, and seconds between: twice as many each time.
ATTEMPTS = 5
WAIT = 1.0
#: Shards that a process has open at most; systems allow 1,024 files.
MOST_OPEN = 64
_PREFIX = 'pack'


class PackError(UserError):
    """A pack that is torn, or whose store does not answer: no image is at fault."""


class Pack:
    """A pack that is open for reading.

    Args:
        address: A folder, or an address that fsspec knows, as ``s3://bucket/folder`` or, with a copy
            kept on the local disk, ``filecache::s3://bucket/folder``.

    Attributes:
        index: What it holds.

    Raises:
        UserError: If it is of another version.
        PackError: If it is torn, lacks a shard, or its store does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip('/')
        self._files: OrderedDict[int, BinaryIO] = OrderedDict()
        self._local = '://' not in address and '::' not in address
        if not self._local:
            self._store, self._root = _connect(self.address)
        self.index: Index = read_index(self._whole(INDEX), self._whole(MEMBERS), self.address)
        self._check_sizes()

    def __len__(self) -> int:
        return len(self.index.names)

    def path(self, number: int) -> str:
        """Under which name mmengine's ``fileio.get`` finds an image, from any process."""
        return f'{_PREFIX}://{quote(self.address)}#{quote(self.index.names[number])}:{number}'

    def read(self, number: int) -> bytes:
        """The encoded image.

        Raises:
            PackError: If the shard is torn or gone, or the store does not answer.
        """
        shard = int(self.index.shard[number])
        start, size = int(self.index.offset[number]), int(self.index.size[number])
        if self._local:
            return self._read_local(shard, start, size)
        return self._read_far(self.index.shards[shard].name, start, size)

    def _read_local(self, shard: int, start: int, size: int) -> bytes:
        name = self.index.shards[shard].name
        if shard in self._files:
            self._files.move_to_end(shard)
        else:
            try:
                self._files[shard] = open(os.path.join(self.address, name), 'rb')  # noqa: SIM115
            except OSError as error:
                raise PackError(
                    f'shard {name} of {self.address} cannot be read: {error}'
                ) from error
            if len(self._files) > MOST_OPEN:
                self._files.popitem(last=False)[1].close()
        content = os.pread(self._files[shard].fileno(), size, start)
        if len(content) != size:
            raise PackError(f'shard {name} of {self.address} is torn: copy it again')
        return content

    def _read_far(self, name: str, start: int, size: int) -> bytes:
        def ask() -> bytes:
            content = self._store.cat_file(f'{self._root}/{name}', start=start, end=start + size)
            if len(content) != size:
                raise OSError(f'{len(content)} of {size} bytes came')
            return content

        return _patiently(ask, f'{self.address}/{name}')

    def _whole(self, name: str) -> bytes:
        if not self._local:
            path = f'{self._root}/{name}'
            return _patiently(lambda: self._store.cat_file(path), f'{self.address}/{name}')
        try:
            with open(os.path.join(self.address, name), 'rb') as file:
                return file.read()
        except OSError as error:
            raise PackError(f'{self.address} is no whole pack: {error}') from error

    def _check_sizes(self) -> None:
        for shard in self.index.shards:
            where = f'{self.address}/{shard.name}'
            if self._local:
                there = os.path.getsize(where) if os.path.isfile(where) else None
            else:
                path = f'{self._root}/{shard.name}'
                there = _patiently(lambda path=path: self._store.size(path), where)
            if there != shard.bytes:
                state = 'is missing' if there is None else f'has {there} of {shard.bytes} bytes'
                raise PackError(f'shard {where} {state}: copy the pack again')


def open_pack(address: str) -> Pack:
    """The pack at an address, opened once in a process.

    Raises:
        UserError: See :class:`Pack`.
    """
    return _opened(address, os.getpid())  # connections and their threads end with a fork


def is_pack(address: str) -> bool:
    """Whether there is a pack: an address that is no folder must be one."""
    if '://' in address or '::' in address:
        return True
    return os.path.isfile(os.path.join(address, INDEX))


@lru_cache(maxsize=16)
def _opened(address: str, process: int) -> Pack:
    return Pack(address)


def _connect(address: str) -> tuple[Any, str]:
    try:
        return fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:  # no such protocol, or its package is not there
        raise UserError(f'address {address} cannot be read: {error}') from error


def _patiently(ask: Callable[[], Any], address: str) -> Any:
    """Ask a store, and again if it does not answer."""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except FileNotFoundError as error:
            raise PackError(
                f'there is no {address}: look at data_root, or copy the pack'
            ) from error
        except Exception as error:  # each store raises what its library does
            fault = error
            if attempt < ATTEMPTS - 1:
                time.sleep(WAIT * 2**attempt)
    raise PackError(
        f'{address} does not answer ({type(fault).__name__}: {fault}), asked {ATTEMPTS} times: look at '
        'the network and at the store'
    ) from fault


class PackBackend(BaseStorageBackend):
    """Lets every transform of OpenMMLab read images of packs by their :meth:`Pack.path`."""

    def get(self, filepath: str) -> bytes:
        address, _, member = filepath.removeprefix(f'{_PREFIX}://').partition('#')
        return open_pack(unquote(address)).read(int(member.rpartition(':')[2]))

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        return self.get(filepath).decode(encoding)


register_backend(_PREFIX, PackBackend, prefixes=_PREFIX)
