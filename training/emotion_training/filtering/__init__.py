# SPDX-License-Identifier: Apache-2.0
"""Filter the training split by label quality, one module for each method."""

METHODS = ('deepface', 'votes', 'confident-learning')

AGREEMENTS = ('plurality', 'majority', 'soft')
"""Rules by which the FER+ votes must name the label; see `votes.decide`."""

PRUNINGS = ('prune_by_noise_rate', 'prune_by_class', 'both', 'confident_learning')
"""Values of `filter_by` of cleanlab's find_label_issues."""
