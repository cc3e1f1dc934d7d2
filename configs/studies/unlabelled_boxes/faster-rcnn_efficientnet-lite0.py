# The own-data detector with a small net of ImageNet, boxes alone.
_base_ = '../../own_data/mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py'

model = dict(type='FasterRCNN', roi_head=dict(mask_head=None, mask_roi_extractor=None))
val_evaluator = dict(metric='bbox')
test_evaluator = dict(metric='bbox')
