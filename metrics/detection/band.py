"""The expected band around the forecast: running quantiles of the scaled residual."""

import math

import numpy as np

from metrics.detection import constants as k
from metrics.detection.compiled import inline
from metrics.detection.forecast import phase
from metrics.detection.scale import spread


@inline
def width(s, t_ms):
    """The residual's usual size at this time of the cycle."""
    b = min(np.int64(phase(t_ms, s.cycle_ms) * k.PHASE_BINS), k.PHASE_BINS - 1) if s.is_seasonal else 0
    if not s.is_seasonal or s.phase_count[b] <= k.SLOT_KNOWN:
        return s.band_scale
    return s.band_scale * min(max(s.phase_scale[b] / (s.slow + 1e-12), 0.2), 10.0)


@inline
def learn_band(s, scale, r):
    """Moves both edges by one residual `r`: a pinball step of the 0.5 % and the 99.5 % quantile."""
    n = s.points + 1.0
    size = min(abs(r), 10.0 * max(s.band_scale, k.BAND_MARGIN * spread(s))) if s.points > k.CLIPPED_FROM else abs(r)
    ratio = r / (scale + 1e-12)
    s.band_scale += max(1.0 / n, k.BAND_SCALE_GAIN) * (size - s.band_scale)
    step = 3.0 * max(k.BAND_GAIN, 1.0 / math.sqrt(n + 9.0) if n < 200 else 0.0)
    s.band_low = min(s.band_low + step * (k.BAND_MISS / 2.0 - (1.0 if ratio < s.band_low else 0.0)), 0.0)
    s.band_high = max(s.band_high + step * ((1.0 if ratio > s.band_high else 0.0) - k.BAND_MISS / 2.0), 0.0)
