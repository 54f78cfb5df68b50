"""Descriptors that need no labels: local features of a crop, gathered into one vector (seeds_digest.md F).

An encoding is fitted once on pictures (its codebook, its whitening) and stored in one file; `registry.py` lists
them all by name.
"""
