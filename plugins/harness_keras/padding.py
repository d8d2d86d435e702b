"""Sequences of unequal length to rectangular arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def padded(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """int32 [n, longest] with zeros on the right (one column at least), and lengths, int32 [n]."""
    lengths = np.array([len(row) for row in rows], np.int32)
    found = np.zeros((len(rows), max(1, lengths.max())), np.int32)
    found[np.arange(found.shape[1]) < lengths[:, None]] = [number for row in rows for number in row]
    return found, lengths


def valid(lengths: np.ndarray, longest: int) -> np.ndarray:
    """Which places of a padded array are real: bool [n, longest]."""
    found: np.ndarray = np.arange(longest) < lengths[:, None]
    return found
