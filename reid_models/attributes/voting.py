"""From single crops to one answer a tracklet: a vote weighted by how clear a crop is and how reliable a class.

A class that is often claimed wrongly, or often missed, weighs less: the mean of its precision and recall, as
Theagarajan et al. (2017) weigh the members of an ensemble (seeds_digest D5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_models.attributes.exemplars import Exemplars, Recognised
from reid_models.attributes.labels import MISSING

LEAST_WEIGHT = 0.02  # of a crop that could be either: it still counts where all are like that


@dataclass(frozen=True)
class Vote:
    """word: "" where there was nothing to vote. confidence: the winner's share of all weight, 0 to 1."""

    word: str
    confidence: float


def weighted_shares(shares: np.ndarray, weights: np.ndarray, reliability: np.ndarray | None = None) -> np.ndarray:
    """float64 (C,) summing to 1 (zeros for K = 0): the (K, C) shares of K crops, weighted by (K,) weights and by (C,)
    reliabilities."""
    if not len(shares):
        return np.zeros(shares.shape[1])
    total = np.maximum(weights, LEAST_WEIGHT) @ shares
    if reliability is not None:
        total = total * reliability
    whole = float(total.sum())
    return total / whole if whole > 0 else np.full(shares.shape[1], 1 / shares.shape[1])


def vote(recognised: Recognised, rows: np.ndarray, reliability: np.ndarray | None = None) -> tuple[Vote, np.ndarray]:
    """The answer for the crops `rows` of one tracklet, and the (C,) shares behind it. Equal shares: the first word."""
    shares = weighted_shares(recognised.shares[rows], recognised.weights[rows], reliability)
    if not shares.any():
        return Vote("", 0.0), shares
    best = int(shares.argmax())
    return Vote(recognised.words[best], float(shares[best])), shares


def precision_recall_weights(confusion: np.ndarray) -> np.ndarray:
    """float64 (C,): the mean of precision and recall of each class from counts (C true, C found); classes that never
    occur weigh ½."""
    right = np.diag(confusion).astype(np.float64)
    occurs, claimed = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = np.where(occurs > 0, right / np.maximum(occurs, 1), 0.5)
    precision = np.where(claimed > 0, right / np.maximum(claimed, 1), 0.5)
    return (precision + recall) / 2


def model_vote(claims: np.ndarray, weights: np.ndarray) -> int:
    """The class with the most weight behind it, where model i claims class claims[i] and weighs weights[i, claims[i]]
    ((models, C)); the lowest of equals."""
    totals = np.zeros(weights.shape[1])
    for model, claim in enumerate(claims.tolist()):
        totals[claim] += weights[model, claim]
    return int(totals.argmax())


def exemplar_reliability(exemplars: Exemplars, name: str) -> np.ndarray:
    """float64 (C,): how reliable each class is where every exemplar is recognised by the others (leave one out), drawn
    towards ½ by one right and one wrong case. Ones where there are fewer than two classes or exemplars."""
    places, words = exemplars.labels.places[name], exemplars.labels.words[name]
    known = np.flatnonzero(places != MISSING)
    if len(words) < 2 or len(known) < 2:
        return np.ones(len(words))
    vectors = exemplars.vectors[known].astype(np.float64)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found = places[known][cosines.argmax(axis=1)]
    confusion = np.zeros((len(words), len(words)))
    np.add.at(confusion, (places[known], found), 1)
    counts = confusion.sum(axis=1)
    return (precision_recall_weights(confusion) * counts + 1) / (counts + 2)
