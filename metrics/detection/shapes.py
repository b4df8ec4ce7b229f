"""Shape novelty: how far the last w points are from every shape that this series has shown."""

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline


@inline
def describe(w, length, scale):
    """w.shape := the last `length` points as 8 block means in scales, clipped, without their mean, in fixed point."""
    step = length // k.BLOCKS
    mean = 0.0
    first = k.WINDOW - length
    # Clipping is around the centre, which the caller took away from the window.
    for i in range(k.BLOCKS):
        at = first + i * step
        block = (w.window[at + step] - w.window[at]) / (step * scale)
        block = min(max(block, -k.SHAPE_CLIP), k.SHAPE_CLIP)
        mean += block / k.BLOCKS
        w.shape[i] = np.int32(np.rint(block * k.SHAPE_FIXED))
    centre = np.int32(np.rint(mean * k.SHAPE_FIXED))
    for i in range(k.BLOCKS):
        w.shape[i] -= centre


@inline
def nearest(prototype, known, w):
    """(distance * 64 + number) of the nearest of the first `known` prototypes, the lowest number on ties."""
    distance = w.distance
    for j in range(known):
        distance[j] = 0
    for i in range(k.BLOCKS):
        value = w.shape[i]
        row = prototype[i, :]
        for j in range(known):
            distance[j] += abs(np.int32(row[j]) - value)
    best = np.int32(2147483647)
    for j in range(known):
        best = min(best, distance[j] * np.int32(64) + np.int32(j))
    return best


@inline
def touch(rank, known, j):
    """Makes `j` the most recently used: rank 0 is the least recent."""
    old = rank[j]
    for i in range(known):
        if rank[i] > old:
            rank[i] -= np.uint8(1)
    rank[j] = np.uint8(known - 1)


@inline
def store(s, which, w):
    """Puts w.shape in a free place or in that of the least recently used prototype."""
    known = np.int64(s.known[which])
    rank = s.rank[which, :]
    j = known
    if known < k.PROTOTYPES:
        s.known[which] = known + 1
        rank[j] = np.uint8(known)
    else:
        for i in range(known):
            if rank[i] == 0:
                j = i
        touch(rank, known, j)
    s.uses[which, j] = 1
    for i in range(k.BLOCKS):
        s.prototype[which, i, j] = np.int16(w.shape[i])


@inline
def pull(s, which, w, j):
    """Moves prototype `j` towards w.shape, by its share of the uses so far."""
    touch(s.rank[which, :], np.int64(s.known[which]), j)
    uses = min(s.uses[which, j] + 1, 50)
    s.uses[which, j] = uses
    gain = max(1.0 / uses, k.SHAPE_GAIN)
    for i in range(k.BLOCKS):
        old = np.float64(s.prototype[which, i, j])
        s.prototype[which, i, j] = np.int16(np.rint(old + gain * (w.shape[i] - old)))


@inline
def novelty(s, which, w, length, scale):
    """Mean distance, in scales, of the last `length` points to the nearest known shape; the shape is learned on the way."""
    describe(w, length, scale)
    known = np.int64(s.known[which])
    if known == 0:
        store(s, which, w)
        return 0.0
    best = nearest(s.prototype[which, :, :], known, w)
    distance = (best // 64) / (k.BLOCKS * k.SHAPE_FIXED)
    if distance <= k.SHAPE_MATCH:
        pull(s, which, w, best % 64)
    else:
        store(s, which, w)
    return distance
