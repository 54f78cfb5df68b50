"""Type, make, model and colour of vehicles: by retrieval from labelled pictures, or by heads on a network
(seeds_digest.md D1 to D4), and the vote that turns crops into one answer a tracklet."""
