"""
The model that the package ships: expression_net, 1.2 M parameters.

    emotion-training train expression_net DATASET --out runs/expression_net

Took 54 minutes on two x86-64 cores with other work beside it; `emotion-training evaluate` then says of the
exported file 66.8 % of PublicTest's FER2013 labels and 89.9 % of its FER+ majorities.
"""

from emotion_training.config import TrainingConfig

config = TrainingConfig(name='expression_net', network='expression_net')
