"""Configs for your own data, from what a folder holds and what a machine has."""

from .machine import Machine, this_machine
from .making import MODELS, MadeConfigs, make_configs
from .using import use_folder

__all__ = ['MODELS', 'Machine', 'MadeConfigs', 'make_configs', 'this_machine', 'use_folder']
