"""k-reciprocal re-ranking of tracklets: near are those with neighbours in common (Zhong et al., CVPR 2017)."""

from __future__ import annotations

import numpy as np

from mtmc.matching.looks import Looks
from reid_models.reranking import RerankConfig, rerank_features

# Challenge winners' 7, 2 and 0.6 for tracks; twice the neighbours, as every tracklet is asked for and answers, and so
# stands twice among them.
TRACKS = RerankConfig(k1=14, k2=4, lambda_value=0.6)


def reranked(looks: Looks) -> np.ndarray:
    """float32 (M, M), symmetric: re-ranked distances of the pooled vectors, 0 to 1."""
    if len(looks.pooled) < 2:
        return np.zeros((len(looks.pooled),) * 2, np.float32)
    apart = rerank_features(looks.pooled, looks.pooled, TRACKS)
    return ((apart + apart.T) / 2).astype(np.float32)
