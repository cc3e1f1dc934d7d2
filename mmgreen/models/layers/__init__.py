from .linear_after import linear_after
from .mlp import LinearAfter, linear_keeping, norm_and_mlp
from .window_attention import WindowAttention

__all__ = ['LinearAfter', 'WindowAttention', 'linear_after', 'linear_keeping', 'norm_and_mlp']
