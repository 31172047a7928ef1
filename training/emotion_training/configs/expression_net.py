"""
The model that the package ships: expression_net, 1.2 M parameters.

emotion-training train expression_net DATASET --out runs/expression_net
"""

from emotion_training.config import TrainingConfig

config = TrainingConfig(name='expression_net', network='expression_net')
