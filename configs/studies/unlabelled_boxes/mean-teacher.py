# mmgreen.MeanTeacher, boxes alone.
_base_ = '../../own_data/semi_mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py'

model = dict(
    detector=dict(type='FasterRCNN', roi_head=dict(mask_head=None, mask_roi_extractor=None))
)
val_evaluator = dict(metric='bbox')
test_evaluator = dict(metric='bbox')
