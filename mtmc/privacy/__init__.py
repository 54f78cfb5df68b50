"""Stored features and pictures as personal data: encryption, ShuffleBits, and attacks that show what features tell."""
