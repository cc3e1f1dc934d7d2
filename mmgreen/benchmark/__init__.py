"""What a step costs: time, memory, operations; and what becomes of a run that is killed."""

from .complexity import complexity
from .measuring import Settings, measure_in_turn
from .subject import Subject, read_subjects
from .tables import plot, summarise, table

__all__ = [
    'Settings',
    'Subject',
    'complexity',
    'measure_in_turn',
    'plot',
    'read_subjects',
    'summarise',
    'table',
]
