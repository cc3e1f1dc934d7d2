# mmdet's recipe of Swin-T, with large-scale jitter at 1024 pixels.
_base_ = [
    'mmdet::mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco-panoptic.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(imports=['mmgreen'])

model = dict(backbone={{_base_.green_swin_tiny_drop_path_3}})
