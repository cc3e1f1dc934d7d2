from .mean_teacher import MeanTeacher

__all__ = ['MeanTeacher']
