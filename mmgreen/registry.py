"""Registries of scope ``mmgreen``, children of mmengine's roots.

From any scope a module is reached by its prefix, ``type='mmgreen.GreenMIM'``.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODEL_WRAPPERS as ROOT_MODEL_WRAPPERS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISUALIZERS as ROOT_VISUALIZERS
from mmengine.registry import Registry

MODELS = Registry('model', parent=ROOT_MODELS, scope='mmgreen', locations=['mmgreen.models'])
MODEL_WRAPPERS = Registry(
    'model wrapper', parent=ROOT_MODEL_WRAPPERS, scope='mmgreen', locations=['mmgreen.engine']
)
#: What gives boxes to objects, and samples them.
TASK_UTILS = Registry(
    'task util', parent=ROOT_TASK_UTILS, scope='mmgreen', locations=['mmgreen.models.detectors']
)
DATASETS = Registry(
    'dataset',
    parent=ROOT_DATASETS,
    scope='mmgreen',
    locations=['mmgreen.datasets.coco_dataset', 'mmgreen.datasets.folders'],
)
TRANSFORMS = Registry(
    'transform',
    parent=ROOT_TRANSFORMS,
    scope='mmgreen',
    locations=[
        'mmgreen.datasets.copy_paste',
        'mmgreen.datasets.load_annotations',
        'mmgreen.datasets.load_image',
        'mmgreen.datasets.random_crop',
    ],
)
DATA_SAMPLERS = Registry(
    'data sampler',
    parent=ROOT_DATA_SAMPLERS,
    scope='mmgreen',
    locations=['mmgreen.datasets.repeat_batch_sampler'],
)
#: Masks by the name that configs give them.
FUNCTIONS = Registry(
    'function', parent=ROOT_FUNCTIONS, scope='mmgreen', locations=['mmgreen.models']
)
HOOKS = Registry(
    'hook',
    parent=ROOT_HOOKS,
    scope='mmgreen',
    locations=['mmgreen.engine', 'mmgreen.engine.hooks.det_visualization_hook'],
)
VISUALIZERS = Registry(
    'visualizer',
    parent=ROOT_VISUALIZERS,
    scope='mmgreen',
    locations=['mmgreen.engine.hooks.det_visualizer'],
)
LOOPS = Registry('loop', parent=ROOT_LOOPS, scope='mmgreen', locations=['mmgreen.engine'])
METRICS = Registry(
    'metric', parent=ROOT_METRICS, scope='mmgreen', locations=['mmgreen.evaluation.coco_metric']
)
OPTIM_WRAPPERS = Registry(
    'optimizer wrapper', parent=ROOT_OPTIM_WRAPPERS, scope='mmgreen', locations=['mmgreen.engine']
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=ROOT_OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmgreen',
    locations=['mmgreen.engine'],
)
