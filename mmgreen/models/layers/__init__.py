from .linear_after import linear_after
from .mlp import norm_and_mlp
from .window_attention import WindowAttention

__all__ = ['WindowAttention', 'linear_after', 'norm_and_mlp']
