# Mask R-CNN for a CPU: a Swin of three stages and narrow heads, three million parameters in all.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
custom_imports = dict(imports=['mmgreen'])

width = 64
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
        window_size=4,
        pad_small_map=True,
        drop_path_rate=0.05,
        out_indices=(0, 1, 2),
    ),
    neck=dict(in_channels=[32, 64, 128], out_channels=width, num_outs=4),
    rpn_head=dict(
        in_channels=width,
        feat_channels=width,
        anchor_generator=dict(scales=[4], strides=[4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=width, featmap_strides=[4, 8, 16]),
        bbox_head=dict(in_channels=width, fc_out_channels=256, num_classes=5),
        mask_roi_extractor=dict(out_channels=width, featmap_strides=[4, 8, 16]),
        mask_head=dict(num_convs=2, in_channels=width, conv_out_channels=width, num_classes=5),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=400, max_per_img=200),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=400, max_per_img=200),
        rcnn=dict(max_per_img=40),
    ),
)
