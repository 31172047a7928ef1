"""What can compute the training steps."""

KERAS = 'keras'
"""Keras' own `fit`, on the backend that KERAS_BACKEND names: any network, any accelerator."""
TORCH = 'torch'
"""A twin of the network in PyTorch: on x86-64 cores more than twice as fast, see `emotion_training.torch_fit`."""
ENGINES = (KERAS, TORCH)


class Diverged(RuntimeError):
    """A training that leads nowhere; the message says since when."""
