"""The names of the encodings, apart from their code: a command line lists them without importing NumPy."""

ENCODINGS = ("bag-of-words", "vlad", "fisher", "mop-cnn", "spoc", "regions", "second-order")
