"""COCO's annotations in memory, as mmdet and its metric ask for them."""

from mmdet.datasets.api_wrappers import COCO

from .coco_file import load_coco


class OrderedCOCO(COCO):
    """Annotations whose category ids come in the order of the names that are asked for.

    pycocotools gives them in the order of the file, so that labels and names would
    not go together where another order is chosen. The file is read by :func:`load_coco`.
    """

    def __init__(self, annotation_file: str | None = None) -> None:
        super().__init__()
        if annotation_file is not None:
            self.dataset = load_coco(str(annotation_file))
            self.createIndex()
            self.img_ann_map, self.cat_img_map = self.imgToAnns, self.catToImgs

    def get_cat_ids(self, cat_names=(), sup_names=(), cat_ids=()) -> list[int]:
        found = super().get_cat_ids(list(cat_names), list(sup_names), list(cat_ids))
        place = {name: i for i, name in enumerate(cat_names)}
        return sorted(found, key=lambda number: place.get(self.cats[number]['name'], 0))
