"""Layouts of annotations that are known, one a file."""

from .class_folders import CLASS_FOLDERS, IMAGES, read_images
from .coco import COCO
from .cvat import CVAT
from .label_studio import LABEL_STUDIO
from .labelme import LABELME
from .layout import Layout, Reading
from .voc import VOC
from .yolo import YOLO

#: All that are looked for. A new one is a file here, and a line.
LAYOUTS = (COCO, LABEL_STUDIO, CVAT, LABELME, VOC, YOLO)

__all__ = ['CLASS_FOLDERS', 'COCO', 'IMAGES', 'LAYOUTS', 'Layout', 'Reading', 'read_images']
