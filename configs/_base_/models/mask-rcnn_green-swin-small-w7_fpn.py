_base_ = './mask-rcnn_green-swin-tiny-w7_fpn.py'

model = dict(backbone=dict(arch='small'))
