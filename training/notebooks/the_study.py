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
# the labels, train again and compare. Open this text as a notebook with `jupytext --to ipynb
# the_study.py` or in an editor that knows jupytext.
#
# `DATASET` is a folder that `emotion-training build` made, with FER+ votes. Each training of all
# images takes hours on a CPU; `EPOCHS=2` is enough to see how everything fits together.

# %%
import os
import tempfile
from pathlib import Path

os.environ.setdefault('KERAS_BACKEND', 'tensorflow')

import dataclasses
import json

import matplotlib.pyplot as plt
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import load
from emotion_training.evaluate.evaluation import evaluate, table
from emotion_training.evaluate.metrics import measure
from emotion_training.evaluate.model_comparison import mcnemar
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.filtering import votes
from emotion_training.filtering.filtered_dataset import filter_dataset
from emotion_training.train.config import load_config
from emotion_training.train.epoch_log import read_epochs
from emotion_training.train.training import train

DATASET = Path(os.environ.get('DATASET', 'data/fer2013'))
WORK = Path(os.environ.get('WORK', tempfile.mkdtemp(prefix='study-')))
EPOCHS = int(os.environ.get('EPOCHS', '48'))

# %% [markdown]
# ## The data
# 48x48 gray pixels, seven expressions, and far fewer faces of disgust than of happiness. A model
# that always answers the largest class is right as often as that class is frequent: accuracy
# alone hides it, so macro recall stands beside it everywhere.

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
# Three images of each class, with what the ten people of FER+ say. Where the title is red, most of
# them see something other than the label.

# %%
figure, grid = plt.subplots(3, 7, figsize=(11, 5.4), layout='constrained')
for label, column in enumerate(grid.T):
    for row, axes in zip(np.flatnonzero(images.labels == label), column, strict=False):
        crowd = images.crowd[row]
        wrong = images.majority[row] not in (-1, label)
        axes.imshow(images.images[row], cmap='gray', vmin=0, vmax=255)
        axes.set_title(
            f'{EMOTIONS[label]}\n{EMOTIONS[crowd.argmax()]} {crowd.max():.0%}',
            fontsize=8,
            color='crimson' if wrong else 'black',
        )
for axes in grid.flat:
    axes.set_axis_off()
plt.show()
clear = images.majority >= 0
agreed = (images.majority == images.labels)[clear].mean()
print(f'where more than half of the ten agree, they name the label of {agreed:.1%} of the images')

# %% [markdown]
# ## Model 3 of the study
# Four convolutions with average pooling, batch normalization and dropout; Adam at 1e-4, less when
# the validation loss stands still, and an early end after three epochs without progress.

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
# ## What it mistakes for what

# %%
told = head_probabilities(raw, validation.images)
found = measure(told['fer2013'], validation.labels)
rates = np.array(found['confusion']) / np.maximum(np.sum(found['confusion'], 1, keepdims=True), 1)
figure, axes = plt.subplots(figsize=(5.4, 4.8), layout='constrained')
axes.imshow(rates, cmap='Blues', vmin=0, vmax=1)
for row, column in np.ndindex(rates.shape):
    axes.text(column, row, f'{rates[row, column]:.0%}', ha='center', va='center', fontsize=8)
axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=40, ha='right')
axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
axes.set(xlabel='the model says', ylabel='label')
plt.show()
print(table(evaluate(told, validation, images)))

# %% [markdown]
# ## Filter the labels
# Keep a training image only where no other answer of the ten people has more votes than its label.
# Validation stays as it is: a filter that also cleans what the model is scored on makes any model
# look better.

# %%
filtered = WORK / 'filtered'
if not filtered.exists():
    print(filter_dataset(DATASET, filtered, [votes.decide]).text())

# %% [markdown]
# ## Train on what is left, and compare
# The same recipe on fewer images. McNemar's test asks whether the two models are right equally
# often: it counts the images on which only one of them is.

# %%
clean = train(config, filtered, WORK / 'clean')
show_curves(WORK / 'clean')
told_clean = head_probabilities(clean, validation.images)
print('all images:')
print(table(evaluate(told, validation, images)))
print('filtered images:')
print(table(evaluate(told_clean, validation, images)))

# %%
judged = {'FER2013 label': validation.labels, 'FER+ majority': validation.majority}
results = {}
for name, labels in judged.items():
    asked = labels >= 0
    before, after = ((t['crowd'].argmax(1) == labels)[asked] for t in (told, told_clean))
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
# Did filtering help? Look at both lines: agreement with FER2013's own label and agreement with
# what most people see can move in opposite directions. docs/lab/experiments.md has the answer
# with several seeds, more filters and intervals.
