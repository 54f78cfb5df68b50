"""Runs made small for keeping: compact feature vectors, crops in a block codec, and both brought back."""
