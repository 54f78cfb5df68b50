"""Losses, one a file. All take float features (N, D) and int64 labels (N,) and return a scalar.

It has the precision of the features, float32 where they have less.
"""
