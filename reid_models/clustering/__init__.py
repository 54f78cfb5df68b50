"""Grouping vectors without labels, and saying which belong to no group (seeds_digest H)."""
