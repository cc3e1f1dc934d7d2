# The same on 5 % of COCO's labels.
_base_ = './mean-teacher_mask-rcnn_green-swin-tiny-w7_fpn_amp-90k_semi-0.1-coco.py'

labelled = _base_.labelled
labelled.ann_file = 'semi_anns/instances_train2017.1@5.json'
unlabelled = _base_.unlabelled
unlabelled.ann_file = 'semi_anns/instances_train2017.1@5-unlabeled.json'
train_dataloader = dict(dataset=dict(datasets=[labelled, unlabelled]))
