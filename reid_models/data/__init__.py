"""Data sets of re-identification, one a file, all read into `ReidSamples` and `ReidTask`."""
