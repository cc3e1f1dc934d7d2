"""The server of the page: it detects objects in the images that the page sends."""

import asyncio
import base64
import html
import io
import json
import secrets
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pycocotools import mask as coco_mask

from mmgreen.apis import Detector, coco_categories, to_coco
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.errors import UserError
from mmgreen.images import decoded_bytes
from mmgreen.prelabels import FORMATS, write_prelabels
from mmgreen.version import __version__

#: Bytes of an image that are taken at most: of its file, and once it is decoded.
LARGEST, LARGEST_DECODED = 64 * 2**20, 192 * 2**20
#: Requests that may wait for others; and how many of them are read at a time, so that memory is bounded.
WAITING, READ = 64, 4
#: Seconds that a request may wait, and that a part of an image may take to arrive.
PATIENCE, SLOW = 300.0, 30.0


def create_app(
    detector: Detector,
    model: str = '',
    password: str | None = None,
    hosts: Sequence[str] = (),
) -> FastAPI:
    """An application with one page, and ``/detect`` which it asks.

    ``POST /detect?name=NAME`` with the bytes of an image file answers in JSON with COCO's ``images``
    (of one entry), ``annotations``, each with a ``score``, masks as uncompressed run lengths, and
    ``categories``. Otherwise a sentence, as ``detail``, says why not: 400 where it is no image, 413 where it is
    too large, of which the head is read before anything is decoded, 408 where it does not arrive, 503 where too many wait.
    ``POST /prelabels?to=FORMAT`` with such COCO of several images answers with a zip for a labelling tool
    (:data:`mmgreen.prelabels.FORMATS`). ``GET /health`` says which model and version answers, and how many requests wait, and needs no password.

    Args:
        detector: What finds objects. It is asked for one image at a time.
        model: What it is called on the page and by ``/health``.
        password: By which everything else is asked for (basic authentication, any user); by default none is needed.
        hosts: Names by which the page is reached; a request for another one is refused, since a page of
            another site may have sent it. By default any.
    """
    app = FastAPI(title='mmgreen', docs_url=None, redoc_url=None)
    page = Path(__file__).with_name('page.html').read_text()
    page = page.replace('THRESHOLD', f'{detector.best_threshold:.2f}')
    options = ''.join(f'<option>{name}</option>' for name in FORMATS)
    page = page.replace('FORMATS', options)
    page = page.replace('MODEL', html.escape(f'{model}, mmgreen {__version__}'.lstrip(', ')))
    queue = _Queue()

    @app.middleware('http')
    async def refuse(request: Request, answer: Any) -> Response:
        said = request.headers.get('host', '')
        if hosts and (urlsplit(f'//{said}').hostname or '') not in hosts:
            return _sentence(
                421,
                f'this page is not reached as {said}: --allow-host NAME lets it be, if that is right',
            )
        origin = request.headers.get('origin')
        if origin and urlsplit(origin).netloc != said:
            return _sentence(403, f'a page of {origin} may not use this one')
        if password is not None and request.url.path != '/health':
            given = _password(request.headers.get('authorization', ''))
            if not secrets.compare_digest(given, password.encode()):
                asked = {'WWW-Authenticate': 'Basic realm="mmgreen"'}
                return _sentence(401, 'this page needs a password', asked)
        return await answer(request)

    @app.get('/', response_class=HTMLResponse)
    def show() -> str:
        return page

    @app.get('/health')
    def health() -> dict[str, Any]:
        return dict(status='ok', model=model, version=__version__, waiting=queue.waiting)

    @app.post('/detect')
    async def detect(request: Request, name: str = 'image.jpg') -> dict[str, Any]:
        async with queue.turn():
            content = await _read(request, name)
            with tempfile.TemporaryDirectory() as folder:
                path = _checked(content, name, Path(folder))
                async with queue.detector:
                    return await run_in_threadpool(found_in, path, name)

    @app.post('/prelabels')
    async def prelabels(request: Request, to: str) -> Response:
        if to not in FORMATS:
            raise HTTPException(400, f'there is no format {to}: choose one of {", ".join(FORMATS)}')
        content = await _read(request, 'what was found')
        archive = await run_in_threadpool(_archive, content, to)
        said = {'Content-Disposition': f'attachment; filename="{to}.zip"'}
        return Response(archive, media_type='application/zip', headers=said)

    def found_in(path: Path, name: str) -> dict[str, Any]:
        try:
            (sample,) = detector(path)
        except UserError as error:
            raise HTTPException(400, str(error).replace(str(path), name)) from error
        return as_coco(sample, name, detector.classes)

    return app


class _Queue:
    """Who waits for what: few requests are read at a time, and one image at a time is looked at."""

    def __init__(self) -> None:
        self.waiting = 0
        self._read = asyncio.Semaphore(READ)
        self.detector = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a request may be read.

        Raises:
            HTTPException: If too many wait already, or it takes too long.
        """
        if self.waiting >= WAITING:
            detail = f'{self.waiting} images wait already: try again in a moment'
            raise HTTPException(503, detail, {'Retry-After': '5'})
        self.waiting += 1
        try:
            try:
                await asyncio.wait_for(self._read.acquire(), PATIENCE)
            except asyncio.TimeoutError as error:
                detail = f'the images before this one took more than {PATIENCE:.0f} s: try again'
                raise HTTPException(503, detail, {'Retry-After': '60'}) from error
            try:
                yield
            finally:
                self._read.release()
        finally:
            self.waiting -= 1


def _password(authorization: str) -> bytes:
    """What a header of basic authentication gives; nothing where it is none."""
    kind, _, encoded = authorization.partition(' ')
    try:
        words = base64.b64decode(encoded, validate=True) if kind.lower() == 'basic' else b''
    except ValueError:
        return b''
    return words.partition(b':')[2]


def _sentence(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(dict(detail=detail), status, headers)


async def _read(request: Request, name: str) -> bytes:
    """The body of a request, part by part."""
    content = bytearray()
    parts = aiter(request.stream())
    while True:
        try:
            content += await asyncio.wait_for(anext(parts), SLOW)
        except StopAsyncIteration:
            return bytes(content)
        except asyncio.TimeoutError as error:
            raise HTTPException(
                408, f'nothing of {name} came for {SLOW:.0f} s: send it again'
            ) from error
        if len(content) > LARGEST:
            detail = f'{name} is larger than {LARGEST >> 20} MiB: send a smaller image'
            raise HTTPException(413, detail)


def _checked(content: bytes, name: str, folder: Path) -> Path:
    """The image as a file, of which the head was read and nothing was decoded."""
    ending = Path(name).suffix.lower()
    if ending not in EXTENSIONS:
        detail = f'{name} is no image of a kind that is read: {", ".join(EXTENSIONS)}'
        raise HTTPException(400, detail)
    path = folder / f'image{ending}'
    path.write_bytes(content)
    size = decoded_bytes(path)
    if size is not None and size > LARGEST_DECODED:
        detail = (
            f'{name} has so many pixels that it would take {size / 2**20:,.0f} MiB, and {LARGEST_DECODED >> 20} '
            'are taken: send a smaller image, or cut it'
        )
        raise HTTPException(413, detail)
    return path


def _archive(content: bytes, to: str) -> bytes:
    """Files for a labelling tool, zipped, of a COCO file as the page has it."""
    try:
        found = json.loads(content)
        for thing in found['annotations']:
            mask = thing.get('segmentation')
            if mask:
                thing['segmentation'] = coco_mask.frPyObjects(mask, *mask['size'])
        with tempfile.TemporaryDirectory() as place:
            (folder,) = write_prelabels(found, Path(place, 'images'), Path(place), [to])
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(folder.rglob('*')):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder))
        return packed.getvalue()
    except (KeyError, TypeError, ValueError) as error:
        raise HTTPException(400, f'this is no COCO file of detections: {error}') from error
    except UserError as error:
        raise HTTPException(400, str(error)) from error


def as_coco(sample: Any, name: str, classes: Iterable[str]) -> dict[str, Any]:
    """What was found in an image, as COCO's JSON; masks as lists of run lengths."""
    height, width = sample.ori_shape
    annotations = []
    for number, found in enumerate(to_coco(sample, 1), start=1):
        if 'segmentation' in found:
            found['segmentation']['counts'] = _counts(found['segmentation'])
        annotations.append(dict(id=number) | found)
    return dict(
        images=[dict(id=1, file_name=name, width=width, height=height)],
        annotations=annotations,
        categories=coco_categories(classes),
    )


def _counts(rle: dict[str, Any]) -> list[int]:
    """Lengths of the runs of a mask, column by column, beginning with what is outside."""
    flat = coco_mask.decode(rle).ravel(order='F')
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], ends, [len(flat)]])).tolist()
    return [0, *counts] if flat[0] else counts
