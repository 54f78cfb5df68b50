"""Worlds made in code: who passes which camera when, how it looks, and the videos of it."""
