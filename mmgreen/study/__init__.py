"""Studies: detectors from several starts, on few and many labels, with several seeds."""

from .jobs import run_plan
from .own_data import study_of_folder
from .plan import Plan, read_plan
from .report import write_study_report

__all__ = ['Plan', 'read_plan', 'run_plan', 'study_of_folder', 'write_study_report']
