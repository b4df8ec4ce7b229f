"""The merge rule in plain Python: what writes in order leave behind."""

import math


def merged(writes):
    """[(series, time, value, is_sum)] in the order they were made -> {(series, time): value}."""
    stored = {}
    for series, time, value, is_sum in writes:
        key = (series, time)
        if is_sum and key in stored:
            stored[key] = (0.0 if math.isnan(stored[key]) else stored[key]) + (0.0 if math.isnan(value) else value)
        else:
            stored[key] = value
    return stored
