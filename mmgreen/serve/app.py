"""The server of the page: it detects objects in the images that the page sends."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from pycocotools import mask as coco_mask

from mmgreen.apis import Detector, coco_categories, to_coco
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.errors import UserError

#: Bytes of an image that are taken at most.
LARGEST = 64 * 2**20


def create_app(detector: Detector) -> FastAPI:
    """An application with one page, and ``/detect`` which it asks.

    ``POST /detect?name=NAME`` with the bytes of an image file answers in JSON with COCO's ``images``
    (of one entry), ``annotations``, each with a ``score``, masks as uncompressed run lengths, and
    ``categories``; with 400 and a sentence as ``detail`` where it is no image, and 413 where it is
    larger than :data:`LARGEST`.

    Args:
        detector: What finds objects. It is asked for one image at a time.
    """
    app = FastAPI(title='mmgreen', docs_url=None, redoc_url=None)
    page = Path(__file__).with_name('page.html').read_text()
    page = page.replace('THRESHOLD', f'{detector.best_threshold:.2f}')
    one_at_a_time = Lock()

    @app.get('/', response_class=HTMLResponse)
    def show() -> str:
        return page

    @app.post('/detect')
    async def detect(request: Request, name: str = 'image.jpg') -> dict[str, Any]:
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > LARGEST:
                detail = f'{name} is larger than {LARGEST >> 20} MiB: send a smaller image'
                raise HTTPException(413, detail)
        return await run_in_threadpool(found_in, bytes(content), name)

    def found_in(content: bytes, name: str) -> dict[str, Any]:
        ending = Path(name).suffix.lower()
        if ending not in EXTENSIONS:
            detail = f'{name} is no image of a kind that is read: {", ".join(EXTENSIONS)}'
            raise HTTPException(400, detail)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f'image{ending}')
            path.write_bytes(content)
            try:
                with one_at_a_time:
                    (sample,) = detector(path)
            except UserError as error:
                raise HTTPException(400, str(error).replace(str(path), name)) from error
        return as_coco(sample, name, detector.classes)

    return app


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
