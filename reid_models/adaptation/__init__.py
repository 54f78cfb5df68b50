"""Learning from streams that nobody labelled: what is surely one vehicle, what surely is not, and whether it helped."""
