"""Columns in parts, such as even steps of time: arrays in, arrays out, no Django. A part begins at each of `starts`, rising from 0."""

import numpy as np

from metrics.arrays import Floats, Ints


def starts_of(keys: Ints) -> Ints:
    """Where the runs of equal keys begin; keys of shape (n,), n > 0."""
    return np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])


def means(column: Floats, starts: Ints) -> Floats:
    """The mean of each part of `column` over its finite values; NaN where a part has none, infinite where their sum is."""
    with np.errstate(invalid="ignore", over="ignore"):
        total: Floats = np.add.reduceat(column, starts)
        if np.isfinite(total).all():
            return np.divide(total, np.diff(starts, append=column.size), out=total)
        known = np.isfinite(column)
        count = np.add.reduceat(known.astype(np.float64), starts)
        total = np.add.reduceat(np.where(known, column, 0.0), starts)
    mean: Floats = np.divide(total, count, out=np.full(starts.size, np.nan), where=count > 0)
    return mean
