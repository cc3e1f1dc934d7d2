# Boxes alone.
_base_ = './mask-rcnn_efficientnet-lite0_fpn.py'

model = dict(type='FasterRCNN', roi_head=dict(mask_roi_extractor=None, mask_head=None))
