from .linear_after import linear_after
from .mlp import LinearAfter, linear_keeping, norm_and_mlp

__all__ = ['LinearAfter', 'linear_after', 'linear_keeping', 'norm_and_mlp']
