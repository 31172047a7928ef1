# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
# SPDX-License-Identifier: Apache-2.0

# %% [markdown]
# # Expressions in FER2013: the study, step by step
#
# Look at the data, train the study's Model 3, read its curves and its confusion matrix, filter
# the labels, train again and compare. `jupytext --to ipynb the_study.py` makes a notebook of this
# file; some editors open it as one.
#
# `DATASET` is a folder made by `emotion-training build`; without FER+ votes, confident learning
# filters the labels. Each training on all images of FER2013 takes hours on a CPU; `EPOCHS=2` is
# enough for a first look.

# %%
import os
import tempfile
from pathlib import Path

os.environ.setdefault('KERAS_BACKEND', 'tensorflow')

import dataclasses
import json
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import load
from emotion_training.evaluate.evaluation import evaluate, table
from emotion_training.evaluate.model_comparison import mcnemar
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.filtering import confident_learning, out_of_fold, votes
from emotion_training.filtering.filtered_dataset import filter_dataset
from emotion_training.train.config import load_config
from emotion_training.train.epoch_log import read_epochs
from emotion_training.train.training import train

DATASET = Path(os.environ.get('DATASET', 'data/fer2013'))
WORK = Path(os.environ.get('WORK', tempfile.mkdtemp(prefix='study-')))
EPOCHS = int(os.environ.get('EPOCHS', '48'))

# %% [markdown]
# ## The data
# 48x48 pixels in grayscale, seven expressions, and far fewer faces of disgust than of happiness.
# A model that always predicts the largest class is right as often as that class is frequent, so
# macro recall is given beside accuracy everywhere.

# %%
images, validation = load(DATASET, 'train'), load(DATASET, 'validation')
counts = {
    name: [int((split.labels == label).sum()) for label in range(len(EMOTIONS))]
    for name, split in (('train', images), ('validation', validation))
}
figure, axes = plt.subplots(figsize=(8, 3), layout='constrained')
for offset, (name, values) in zip((-0.2, 0.2), counts.items(), strict=True):
    axes.bar(np.arange(len(EMOTIONS)) + offset, values, 0.4, label=f'{name} ({sum(values)})')
axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
axes.set_ylabel('images')
axes.legend()
plt.show()

# %% [markdown]
# Three images of each class, with the most frequent FER+ vote if the dataset has votes. A red
# title marks a majority for another expression than the label.

# %%
figure, grid = plt.subplots(3, 7, figsize=(11, 5.4), layout='constrained')
for label, column in enumerate(grid.T):
    for row, axes in zip(np.flatnonzero(images.labels == label), column, strict=False):
        title = EMOTIONS[label]
        if images.votes is not None:
            crowd = images.crowd[row]
            title += f'\n{EMOTIONS[crowd.argmax()]} {crowd.max():.0%}'
        wrong = images.majority[row] not in (-1, label)
        axes.imshow(images.images[row], cmap='gray', vmin=0, vmax=255)
        axes.set_title(title, fontsize=8, color='crimson' if wrong else 'black')
for axes in grid.flat:
    axes.set_axis_off()
plt.show()
clear = images.majority >= 0
if clear.any():
    agreed = (images.majority == images.labels)[clear].mean()
    print(f'where there is a majority, it agrees with the label of {agreed:.1%} of the images')

# %% [markdown]
# ## Model 3 of the study
# Four convolutions with average pooling, batch normalization and dropout; Adam at 1e-4, a lower
# learning rate on a plateau of the validation loss, and early stopping after three epochs.

# %%
config = dataclasses.replace(load_config('study_model_3'), epochs=EPOCHS)
raw = train(config, DATASET, WORK / 'raw')


# %%
def show_curves(run: Path) -> None:
    """Plot loss and accuracy over the epochs of a run."""
    rows = read_epochs(run / 'epochs.csv')
    at = [row['epoch'] + 1 for row in rows]
    _, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout='constrained')
    left.plot(at, [row['loss'] for row in rows], 'o-', label='training')
    left.plot(at, [row['val_fer2013_loss'] for row in rows], 'o-', label='validation')
    left.set(title='loss', xlabel='epoch')
    right.plot(at, [row['fer2013_accuracy'] for row in rows], 'o-', label='training')
    right.plot(at, [row['val_fer2013_accuracy'] for row in rows], 'o-', label='validation')
    right.set(title='accuracy', xlabel='epoch')
    left.legend()
    plt.show()


show_curves(WORK / 'raw')

# %% [markdown]
# ## The confusion matrix

# %%
outputs = head_probabilities(raw, validation.images)
figure, axes = plt.subplots(figsize=(5.4, 4.8), layout='constrained')
ConfusionMatrixDisplay.from_predictions(
    validation.labels,
    outputs['fer2013'].argmax(1),
    labels=range(len(EMOTIONS)),
    display_labels=EMOTIONS,
    normalize='true',
    values_format='.0%',
    cmap='Blues',
    xticks_rotation=40,
    ax=axes,
)
plt.show()
print(table(evaluate(outputs, validation, images)))

# %% [markdown]
# ## Filter the labels
# Keep a training image only if no other FER+ answer has more votes than its label; without votes,
# if networks that were not trained on it do not contradict its label. Validation is not filtered:
# on filtered images any model scores higher.

# %%
filtered = WORK / 'filtered'
predict = partial(out_of_fold.predict, work=WORK / 'folds', epochs=min(EPOCHS, 12))
by_networks = partial(confident_learning.decide, predict=predict)
method = by_networks if images.votes is None else votes.decide
if not filtered.exists():
    print(filter_dataset(DATASET, filtered, [method]).text())

# %% [markdown]
# ## Train on the kept images, and compare
# The same recipe on fewer images. McNemar's test compares the numbers of images on which only one
# of the two models is right.

# %%
clean = train(config, filtered, WORK / 'clean')
show_curves(WORK / 'clean')
clean_outputs = head_probabilities(clean, validation.images)
print('all images:')
print(table(evaluate(outputs, validation, images)))
print('filtered images:')
print(table(evaluate(clean_outputs, validation, images)))

# %%
references = {'FER2013 label': validation.labels, 'FER+ majority': validation.majority}
results = {}
for name, labels in references.items():
    labeled = labels >= 0
    if not labeled.any():
        continue
    before, after = ((t['crowd'].argmax(1) == labels)[labeled] for t in (outputs, clean_outputs))
    results[name] = {
        'all images': float(before.mean()),
        'filtered images': float(after.mean()),
        **mcnemar(before, after),
    }
    print(
        f'{name}: {before.mean():.1%} with all images, {after.mean():.1%} with the filtered ones, '
        f'p {results[name]["p"]:.3g}'
    )
(WORK / 'results.json').write_text(json.dumps(results, indent=1))

# %% [markdown]
# Did filtering help? Compare both lines: agreement with FER2013's own label and with the FER+
# majority can change in opposite directions. docs/lab/experiments.md has the results with several
# seeds, more filters and intervals.
