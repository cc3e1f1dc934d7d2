from .green_backbone import GreenBackbone
from .green_swin import GreenSwinTransformer
from .green_twins import GreenPCPVT, GreenTwins
from .timm_backbone import TimmBackbone

__all__ = ['GreenBackbone', 'GreenPCPVT', 'GreenSwinTransformer', 'GreenTwins', 'TimmBackbone']
