from .green_backbone import GreenBackbone
from .green_swin import GreenSwinTransformer
from .green_twins import GreenPCPVT, GreenTwins

__all__ = ['GreenBackbone', 'GreenPCPVT', 'GreenSwinTransformer', 'GreenTwins']
