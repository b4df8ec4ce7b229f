"""The detector in plain Python and floats, written from its description for one regular series of hourly points.

No batches, no normalised coordinates, no packed memories: what the kernels must agree with up to the rounding of their memories.
"""

import math
from collections import defaultdict

HOUR_MS = 3_600_000
DAY, WEEK = 24, 168
WARM_UP = 150
OFFSETS = (-0.3, 0.0, 0.45, -0.15, 0.0, 0.0, -0.3)
LOWEST = (-5, -5, -8, -8, -8, -8, -8)


def quantile(ordered, q):
    return ordered[int(q * (len(ordered) - 1))]


class Scale:
    def __init__(self, values):
        ordered = sorted(values)
        self.q = [quantile(ordered, 0.05), quantile(ordered, 0.5), quantile(ordered, 0.95)]
        self.low, self.high = ordered[0], ordered[-1]

    def follow(self, x):
        fade = math.log(2) * HOUR_MS / (28 * 24 * HOUR_MS)
        self.high = max(self.high - fade * (self.high - self.q[1]), x)
        self.low = min(self.low + fade * (self.q[1] - self.low), x)
        gain = 0.02 * (self.q[2] - self.q[0])
        self.q = [v + gain * (q - (x < v)) for v, q in zip(self.q, (0.05, 0.5, 0.95), strict=True)]

    @property
    def size(self):
        return max(self.q[2] - self.q[0], 0.2 * (self.high - self.low))


class Forecast:
    def __init__(self, x):
        self.last = self.fast = self.slow = self.level = x
        self.slope = self.day_offset = self.week_offset = 0.0
        self.errors = [0.0] * 7
        self.past, self.rhythm = [], 0
        self.day, self.week = {}, {}
        self.n = 0

    def predict(self, hour):
        day = self.day[hour % DAY] + self.day_offset if hour % DAY in self.day else self.fast
        week = self.week[hour % WEEK] + self.week_offset if hour % WEEK in self.week else day
        self.experts = [self.last, self.fast, self.slow, self.level + self.slope, day, week, self.echo()]
        least = min(self.errors)
        weights = [((least + 1e-12) / (error + 1e-12)) ** 4 for error in self.errors]
        return sum(w * f for w, f in zip(weights, self.experts, strict=True)) / sum(weights)

    def echo(self):
        return (self.past[-self.rhythm] + self.past[-2 * self.rhythm]) / 2 if self.rhythm else self.fast

    def find_rhythm(self, x):
        self.past.append(x)
        if len(self.past) < 240 or len(self.past) % 120:
            return
        mean = sum(self.past[-240:]) / 240
        last = [v - mean for v in self.past[-240:]]
        power = sum(v * v for v in last) / 240
        echo = [sum(a * b for a, b in zip(last[lag:], last, strict=False)) / (240 - lag) / power for lag in range(122)]
        good = [lag for lag in range(4, 121) if echo[lag] > max(0.3, echo[lag - 1], echo[lag // 2]) and echo[lag] >= echo[lag + 1]]
        good = [lag for lag in good if 3 * lag // 2 > 120 or echo[lag] > echo[3 * lag // 2]]
        best = max((echo[lag] for lag in good), default=0.0)
        self.rhythm = next((lag for lag in good if echo[lag] >= 0.9 * best), 0)

    def learn(self, hour, x):
        for i, f in enumerate(self.experts):
            error = abs(x - f)
            if self.n > 30:
                error = min(error, 8 * max(self.errors[i], 1e-12))
            self.errors[i] += max(1 / (self.n + 1), 0.01) * (error - self.errors[i])
        self.last = x
        self.fast += 0.3 * (x - self.fast)
        self.slow += max(1 / (self.n + 1), 0.03) * (x - self.slow)
        expected = self.level + self.slope
        self.level = expected + 0.4 * (x - expected)
        self.slope = 0.98 * (self.slope + 0.008 * (self.level - expected))
        if hour % DAY in self.day:
            self.day_offset += 0.05 * (x - self.day[hour % DAY] - self.day_offset)
        if hour % WEEK in self.week:
            self.week_offset += 0.05 * (x - self.week[hour % WEEK] - self.week_offset)
        days = self.n // DAY + 1
        for memory, key, gain in ((self.day, hour % DAY, max(1 / days, 0.15)), (self.week, hour % WEEK, 0.4)):
            memory[key] = memory[key] + gain * (x - memory[key]) if key in memory else x
        self.n += 1


def explained(values, i, distance):
    """The distance to the range of the hours around this one, one day and two days before."""
    for day in (1, 2):
        around = [values[i - day * DAY + j] for j in (-1, 0, 1) if i - day * DAY + j >= 0]
        if i - day * DAY >= 0:
            distance = min(distance, max(min(around) - values[i], values[i] - max(around), 0.0))
    return distance


class Residual:
    def __init__(self):
        self.slow = self.fast = 0.0
        self.hours, self.hour_counts = defaultdict(float), defaultdict(int)
        self.levels, self.level_counts = defaultdict(float), defaultdict(int)

    def ratio(self, n, hour, distance, size, place):
        level = int(min(max(place / size * 6 + 6, 0), 11))
        usual = max(self.slow, 0.05 * size, self.fast)
        if self.hour_counts[hour] > 8:
            usual = max(usual, self.hours[hour])
        if self.level_counts[level] > 8:
            usual = max(usual, self.levels[level])
        d = min(distance, 12 * self.slow) if n > 50 else distance
        self.slow += max(1 / (n + 1), 0.01) * (d - self.slow)
        self.fast += 0.1 * (d - self.fast)
        self.hour_counts[hour] += 1
        self.hours[hour] += max(1 / self.hour_counts[hour], 0.03) * (d - self.hours[hour])
        self.level_counts[level] += 1
        self.levels[level] += max(1 / self.level_counts[level], 0.02) * (d - self.levels[level])
        return distance / usual


class TimeOfDay:
    def __init__(self):
        self.mean, self.spread, self.count = defaultdict(float), defaultdict(float), defaultdict(int)

    def ratio(self, hour, x, size):
        seen, off = self.count[hour], abs(x - self.mean[hour])
        out = off / (self.spread[hour] + 0.1 * size) if seen >= 3 else None
        seen += 1
        if seen > 10:
            off = min(off, 6 * (self.spread[hour] + 0.05 * size))
        gain = max(1 / seen, 0.02)
        self.spread[hour] += gain * ((off if seen > 1 else 0.0) - self.spread[hour])
        self.mean[hour] += gain * (x - self.mean[hour])
        self.count[hour] = seen
        return out


class Shapes:
    def __init__(self):
        self.known = []  # [blocks, uses], least recently used first

    def novelty(self, window, centre, size):
        step = len(window) // 8
        blocks = [(sum(window[i * step : (i + 1) * step]) / step - centre) / size for i in range(8)]
        blocks = [min(max(b, -4.0), 4.0) for b in blocks]
        blocks = [b - sum(blocks) / 8 for b in blocks]
        if not self.known:
            self.known.append([blocks, 1])
            return 0.0
        distances = [sum(abs(a - b) for a, b in zip(blocks, shape, strict=True)) / 8 for shape, _ in self.known]
        nearest = min(distances)
        if nearest > 0.1:
            self.known = self.known[-63:] if len(self.known) == 64 else self.known
            self.known.append([blocks, 1])
            return nearest
        shape, uses = self.known.pop(distances.index(nearest))
        uses = min(uses + 1, 50)
        gain = max(1 / uses, 0.02)
        self.known.append([[a + gain * (b - a) for a, b in zip(shape, blocks, strict=True)], uses])
        return nearest


class History:
    """The decayed histogram of one feature and its Pareto tail."""

    def __init__(self, lowest):
        self.lowest, self.weights, self.tail = lowest, [0.0] * 88, None

    def bin(self, v):
        if v < 2.0**self.lowest:
            return 0
        mantissa, exponent = math.frexp(v)
        return min((exponent - 1 - self.lowest) * 8 + int((mantissa * 2 - 1) * 8), 87)

    def edge(self, b):
        return 2.0 ** (self.lowest + b // 8) * (1 + b % 8 / 8)

    def middle(self, b):
        return 2.0 ** (self.lowest + b // 8) * (1 + (b % 8 + 0.5) / 8)

    def refit(self):
        total, first = sum(self.weights), 88
        while first > 1 and sum(self.weights[first - 1 :]) < 0.06 * total:
            first -= 1
        u, held = self.edge(first), sum(self.weights[first:])
        excess = sum(w * math.log(self.middle(b) / u) for b, w in enumerate(self.weights) if b >= first)
        alpha = min(max((held + 10) / (excess + 10 / 3), 1.5), 12.0) if held else 3.0
        half = first - 1
        while half > 0 and sum(self.weights[half:]) < 0.5 * total:
            half -= 1
        self.tail = (u, held / total if held else 0.03, alpha, min(self.edge(half), 0.9 * u))

    def rarity(self, v):
        if self.tail is None:
            return 1.0
        u, share, alpha, middle = self.tail
        if v >= u:
            return min(max(share * (v / u) ** -alpha, 1e-12), 1.0)
        if v <= middle:
            return 1 - 0.5 * v / middle
        return 0.5 + (share - 0.5) * (v - middle) / (u - middle)


class Detector:
    def __init__(self, values):
        self.values = values
        self.scale, self.forecast = Scale(values[:WARM_UP]), Forecast(values[0])
        self.residual, self.time_of_day = Residual(), TimeOfDay()
        self.shapes, self.histories = [Shapes() for _ in range(3)], [History(lowest) for lowest in LOWEST]
        self.rare = [1.0, 1.0]

    def features(self, i):
        x, hour, y = self.values[i], i % DAY, self.forecast.predict(i)
        centre, size = self.scale.q[1], self.scale.size
        distance = explained(self.values, i, abs(x - y))
        out = [self.residual.ratio(i, hour, distance, size, self.forecast.last - centre), self.time_of_day.ratio(hour, x, size)]
        out += [abs(sum(self.values[i + 1 - w : i + 1]) / w - centre) / size if i + 1 >= w else None for w in (12, 40)]
        for shapes, w in zip(self.shapes, (8, 32, 64), strict=True):
            out.append(shapes.novelty(self.values[i + 1 - w : i + 1], centre, size) if i + 1 >= w else None)
        return y, out

    def step(self, i):
        """(forecast, surprise) of point i, which must follow point i - 1."""
        self.scale.follow(self.values[i])
        y, features = self.features(i)
        self.forecast.find_rhythm(self.values[i])
        for stream, history in enumerate(self.histories):
            if (i + 2 * stream) % 16 == 0 and sum(history.weights):
                history.refit()
        if i % 128 == 0:
            for history in self.histories:
                history.weights = [w * 0.5 ** (128 / 6000) for w in history.weights]
        total = 0.0
        for stream, (history, v) in enumerate(zip(self.histories, features, strict=True)):
            if v is None:
                continue
            p = history.rarity(v)
            if stream == 0:
                second = sorted([*self.rare, p])[1]
                self.rare = [p, self.rare[0]]
                p = max(p, min(second, 3.2 * p))
            total += 10 ** (2 * OFFSETS[stream]) / p**2 / 7
            history.weights[history.bin(v)] += 1
        self.forecast.learn(i, self.values[i])
        return y, 0.5 * math.log10(max(total, 1e-4)) - 0.5 * math.log10(min(max(i, 100), 8640) / 1000)


def run(values):
    """Forecast and surprise of every point of an hourly series; those of the first 150 points mean nothing."""
    detector = Detector(list(values))
    return [detector.step(i) for i in range(len(values))]
