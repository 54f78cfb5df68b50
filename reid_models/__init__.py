"""Crops to embeddings: the models, how they are trained, scored and stored."""
