# The same as photographs.py in three times the time: 12 minutes of pre-training and 900 steps, or 2,000
# steps from scratch.
_base_ = './photographs.py'

starts = dict(
    none=dict(detector=dict(steps=2000)),
    pixels=dict(steps=9300),
    teacher=dict(steps=6720),
    imagenet_net=dict(detector=dict(steps=1610)),
)
detector = dict(steps=900)
