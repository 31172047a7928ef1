"""Ways to tell which training images to keep, one module a method; nothing here changes a dataset."""

METHODS = ('deepface', 'votes', 'confident-learning')

AGREEMENTS = ('plurality', 'majority', 'soft')
"""How much of the crowd must name the label; see `votes.judge`."""

PRUNINGS = ('prune_by_noise_rate', 'prune_by_class', 'both', 'confident_learning')
"""Which candidates cleanlab removes; `filter_by` of its find_label_issues."""
