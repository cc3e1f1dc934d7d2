"""What a step and a run cost: time, memory, operations, images; and whether a killed run goes on."""

from .complexity import complexity
from .families import families_table, family_names, try_families, with_green_swin
from .loading import loading_table, measure_loading
from .measuring import Settings, measure_in_turn
from .subject import Subject, read_subjects
from .tables import plot, summarise, table
from .training import measure_training, training_table

__all__ = [
    'Settings',
    'Subject',
    'complexity',
    'families_table',
    'family_names',
    'loading_table',
    'measure_in_turn',
    'measure_loading',
    'measure_training',
    'plot',
    'read_subjects',
    'summarise',
    'table',
    'training_table',
    'try_families',
    'with_green_swin',
]
