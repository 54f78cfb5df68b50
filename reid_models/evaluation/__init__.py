"""Scores of retrieval: which gallery entries a query finds, by named protocols."""
