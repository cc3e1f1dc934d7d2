"""mmcv's compiled operators by torchvision and plain torch, called as mmcv calls them.

Each fills the tensors that mmcv hands over, on any device. What a backward pass gives is
torch's own gradient of the forward one. Imported when mmcv asks for its compiled module and has none.
"""

from .carafe import carafe_backward, carafe_forward, carafe_naive_backward, carafe_naive_forward
from .deformable_attention import ms_deform_attn_backward, ms_deform_attn_forward
from .deformable_convolution import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from .focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from .masked_convolution import masked_col2im_forward, masked_im2col_forward
from .roi_align import roi_align_backward, roi_align_forward
from .roi_pool import roi_pool_backward, roi_pool_forward
from .suppression import nms, nms_match, softnms

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'masked_col2im_forward',
    'masked_im2col_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]
