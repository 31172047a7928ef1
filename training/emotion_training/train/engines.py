"""What can compute the training steps."""

KERAS = 'keras'
"""Keras' own `fit`, on the backend that KERAS_BACKEND names: any network, any accelerator."""
TORCH = 'torch'
"""A twin of the network in PyTorch, faster on x86-64 cores: see `emotion_training.train.torch_fit`."""
ENGINES = (KERAS, TORCH)
BACKUP = 'backup.pt'
"""What `TORCH` keeps in a run's folder until the run has ended."""
TORCH_PRECISIONS = ('float32', 'mixed_bfloat16')
"""Keras' dtype policies that `TORCH` follows."""
LOWER_RATE = 'the learning rate is too high, or the precision too low'
"""Why a loss stops being a number, in the words of both engines."""


class Diverged(RuntimeError):
    """A training that leads nowhere; the message says since when."""
