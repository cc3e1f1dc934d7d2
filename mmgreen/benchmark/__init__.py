"""What a step and a run cost: time, memory, operations, images."""

from .complexity import complexity
from .loading import loading_table, measure_loading
from .measuring import Settings, measure_in_turn
from .subject import Subject, read_subjects
from .tables import plot, summarise, table
from .whole_runs import measure_training, training_table

__all__ = [
    'Settings',
    'Subject',
    'complexity',
    'loading_table',
    'measure_in_turn',
    'measure_loading',
    'measure_training',
    'plot',
    'read_subjects',
    'summarise',
    'table',
    'training_table',
]
