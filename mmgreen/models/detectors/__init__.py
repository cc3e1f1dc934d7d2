from .assigning import MaxIoUAssigner
from .mean_teacher import MeanTeacher
from .sampling import RandomSampler

__all__ = ['MaxIoUAssigner', 'MeanTeacher', 'RandomSampler']
