from .linear_after import linear, linear_after
from .mlp import norm_and_mlp
from .window_attention import WindowAttention

__all__ = ['WindowAttention', 'linear', 'linear_after', 'norm_and_mlp']
