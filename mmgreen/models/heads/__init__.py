from .greenmim_head import GreenMIMHead
from .hog_head import HOGHead
from .pyramid_head import PyramidHead
from .target_head import TargetHead
from .teacher_head import TeacherHead

__all__ = ['GreenMIMHead', 'HOGHead', 'PyramidHead', 'TargetHead', 'TeacherHead']
