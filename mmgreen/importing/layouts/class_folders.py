"""Images without objects, in class folders or not."""

from ..dataset import AnnotatedImage
from ..source import Source
from ..splits import by_folders
from .layout import Reading

CLASS_FOLDERS, IMAGES = 'class folders', 'images'


def read_images(source: Source) -> tuple[str, Reading]:
    """All images of a folder, by the splits that their folders name, and what the format is called."""
    images = [AnnotatedImage(name, (0, 0)) for name in source.tree.images]
    splits = by_folders(source, images) or {'all': images}
    depth = 1 if 'all' in splits else 2
    classes = bool(images) and all(image.name.count('/') >= depth for image in images)
    return CLASS_FOLDERS if classes else IMAGES, Reading(splits)
