"""Log densities of a Thalweg run from its files alone, after docs/format.md: NumPy, JSON and TOML.

Model("runs/mine").log_prob(x, context) takes x as rows x features in the units of the data.
"""

import json
import math
import struct
import tomllib
from pathlib import Path

import numpy as np

LOG_2PI = math.log(2 * math.pi)
SMALLEST = 1e-3  # spline bins and slopes
INDEX_NODES = np.linspace(-12, 12, 161)  # for u of continuously indexed layers
DORMAND_PRINCE = (  # nodes and rows of the tableau
    (0, ()),
    (1 / 5, (1 / 5,)),
    (3 / 10, (3 / 40, 9 / 40)),
    (4 / 5, (44 / 45, -56 / 15, 32 / 9)),
    (8 / 9, (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729)),
    (1, (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656)),
)
erf = np.vectorize(math.erf, otypes=[float])


def read_safetensors(path):
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = values.astype(np.int64 if entry["dtype"] == "I64" else np.float64)
    return tensors


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))  # of complex numbers too


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def log_sum_exp(x, axis):
    top = x.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))).squeeze(axis)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "elu": lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
}


def wrap(x, bound):
    return np.clip(x - 2 * bound * np.floor((x + bound) / (2 * bound)), -bound, bound)


def soft_clip(a, bound):
    return a / (1 + np.abs(a) / bound)


def spline(raw, x, bins, bound, circular, scale_map="exp"):
    """raw: rows x parameters x features; x: rows x features. Gives z and log|dz/dx| a row."""
    range_ = 2 * bound

    soft = scale_map == "soft_clip"
    smallest = 0.0 if soft else SMALLEST

    def extents(part):
        part = soft_clip(part, math.log(1000) / 2) if soft else part
        part = np.exp(part - part.max(axis=1, keepdims=True))
        share = part / part.sum(axis=1, keepdims=True)
        return share * range_ * (1 - smallest * bins) + range_ * smallest

    if soft:
        slope = np.exp(soft_clip(raw[:, 2 * bins :], math.log(1000)))
    else:
        slope = softplus(raw[:, 2 * bins :] + math.log(math.expm1(1 - SMALLEST))) + SMALLEST
    if circular:
        inner, seam, shift = slope[:, 1:bins], slope[:, :1], raw[:, 3 * bins]
    else:
        inner, seam, shift = slope, np.ones_like(raw[:, :1]), 0.0
    slopes = np.concatenate([seam, inner, seam], axis=1)

    def knots(sizes):
        edges = np.concatenate([np.zeros_like(sizes[:, :1]), np.cumsum(sizes, axis=1)], axis=1) - bound
        edges[:, -1] = bound
        return edges

    across, along = knots(extents(raw[:, :bins])), knots(extents(raw[:, bins : 2 * bins]))
    at = wrap(x, bound) if circular else np.clip(x, -bound, bound)
    number = (across[:, 1:-1] <= at[:, None]).sum(axis=1, keepdims=True)

    def pick(values):
        return np.take_along_axis(values, number, axis=1)[:, 0]

    left, low = pick(across), pick(along)
    width, height = pick(across[:, 1:]) - left, pick(along[:, 1:]) - low
    d0, d1, s = pick(slopes), pick(slopes[:, 1:]), height / width
    t = (at - left) / width
    below = s + (d0 + d1 - 2 * s) * t * (1 - t)
    y = low + height * (s * t**2 + d0 * t * (1 - t)) / below
    log_slope = 2 * np.log(s / below) + np.log(d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2)
    if circular:
        return wrap(y + shift, bound), log_slope.sum(axis=1)
    inside = np.abs(x) < bound
    return np.where(inside, y, x), np.where(inside, log_slope, 0).sum(axis=1)


def normal_quantile(p):
    """Newton's steps on log Phi from 0, with both tails mirrored."""
    small = np.minimum(p, 1 - p)
    x = -np.sqrt(-2 * np.log(small / 0.6)) * (small < 0.3)
    erfc = np.vectorize(math.erfc, otypes=[float])
    for _ in range(60):
        phi = 0.5 * erfc(-x / math.sqrt(2))
        slope = np.exp(-0.5 * x**2 - 0.5 * LOG_2PI) / phi
        x = x - np.clip((np.log(phi) - np.log(small)) / slope, -1, 1)
    return np.where(p < 0.5, x, -x)


def marginal_map(column, x):
    knots, scores = np.array(column["knots"]), np.array(column["scores"])
    width, height = np.diff(knots), np.diff(scores)
    slope = height / width
    inner = (width[:-1] + width[1:]) / (width[:-1] / slope[:-1] + width[1:] / slope[1:])
    left, right = slope.copy(), slope.copy()
    if column.get("smooth", True):
        left[1:], right[:-1] = inner, inner
    bin_ = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(width) - 1)
    r, s, d0, d1 = (x - knots[bin_]) / width[bin_], slope[bin_], left[bin_], right[bin_]
    q = s + (d0 + d1 - 2 * s) * r * (1 - r)
    z = scores[bin_] + height[bin_] * (s * r**2 + d0 * r * (1 - r)) / q
    log_slope = 2 * np.log(s / q) + np.log(d1 * r**2 + 2 * s * r * (1 - r) + d0 * (1 - r) ** 2)
    whole = (scores[-1] - scores[0]) / (knots[-1] - knots[0])
    low, high = x <= knots[0], x >= knots[-1]
    z = np.where(low, scores[0] + whole * (x - knots[0]), z)
    z = np.where(high, scores[-1] + whole * (x - knots[-1]), z)
    return z, np.where(low | high, np.log(whole), log_slope)


def by_features(raw, x, flow, turns):
    """Splines or bumps; raw: rows x all parameters; `turns` says which features are angles."""
    z, log_det, start = np.empty_like(x), 0.0, 0
    smooth, bins = flow["kind"].endswith(("smooth", "logistic")), flow["bins"]
    on_line = flow["kind"].endswith("logistic")
    for circular in (False, True):
        features = [i for i in range(x.shape[1]) if turns[i] == circular]
        if not features:
            continue
        each = 3 * bins + (1 if circular else -1)
        if smooth:
            each = flow["bumps"] * (5 if flow["ramp"] == "exponential" else 4) + (1 if circular else 0)
            if on_line and not circular:
                each = 3 * flow["bumps"] + 2
        count = each * len(features)
        part = raw[:, start : start + count].reshape(len(x), -1, len(features))
        if on_line and not circular:
            z[:, features], found = logistics(part, x[:, features], flow)
        elif smooth:
            z[:, features], found = bumps(part, x[:, features], flow, circular)
        else:
            bound = math.pi if circular else flow["tail_bound"]
            z[:, features], found = spline(
                part, x[:, features], bins, bound, circular, flow["scale_map"]
            )
        log_det, start = log_det + found, start + count
    return z, log_det


def bumps(raw, x, flow, circular):
    """raw: rows x parameters x features; x: rows x features. Gives z and log|dz/dx| a row."""
    count, power = flow["bumps"], flow["ramp_power"]
    exponential = flow["ramp"] == "exponential"
    power = power or (1 if exponential else 3)
    part = lambda k: raw[:, k * count : (k + 1) * count]
    share = lambda a: np.exp(a - a.max(axis=1, keepdims=True)) / np.exp(a - a.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    weight, b = share(part(0)), np.cumsum(share(part(1)), axis=1)
    a = np.exp(0.5 + 0.5 * np.tanh(part(2)) if circular else np.tanh(part(2)))
    c = flow["smallest_density"] + (1 - flow["smallest_density"]) * sigmoid(part(3) + 2)
    alpha = 10 * sigmoid(part(4) - 3) + 0.8656721 if exponential else None

    def generalised_sigmoid(u):
        """Value and slope."""
        inside = (u > 0) & (u < 1)
        v = np.where(inside, u, 0.5)
        if exponential:
            h = alpha * ((1 - v) ** -power - v**-power)
            slope = alpha * power * ((1 - v) ** (-power - 1) + v ** (-power - 1))
            s = 0.5 * (1 + np.tanh(0.5 * h))
            slope = np.exp(-np.abs(h)) / (1 + np.exp(-np.abs(h))) ** 2 * slope
        else:
            both = v**power + (1 - v) ** power
            s, slope = v**power / both, power * (v * (1 - v)) ** (power - 1) / both**2
        return np.where(inside, s, u >= 1), np.where(inside, slope, 0)

    def whole(at):
        """Of a circle with all copies, of which one at most is not flat."""
        away = at - b
        turns = np.floor(away + 0.5) if circular else 0.0
        value, slope = generalised_sigmoid(a * (away - turns) + 0.5)
        return value + turns, a * slope

    at = wrap(x, math.pi) / (2 * math.pi) + 0.5 if circular else x
    start, end = whole(np.zeros_like(b))[0], whole(np.ones_like(b))[0]
    value, slope = whole(at[:, None])
    z = (weight * ((1 - c) * (value - start) / (end - start) + c * at[:, None])).sum(axis=1)
    log_slope = np.log((weight * ((1 - c) * slope / (end - start) + c)).sum(axis=1))
    if circular:
        z = wrap(2 * math.pi * (z - 0.5) + raw[:, -1], math.pi)
    return z, log_slope.sum(axis=1)


def logistics(raw, x, flow):
    """As bumps(), on the line."""
    count, line = flow["bumps"], flow["smallest_density"]
    part = lambda k: raw[:, k * count : (k + 1) * count]
    bounded = lambda a: np.exp(3 * np.tanh(a / 3))
    log_weight = part(0) - log_sum_exp(part(0), 1)[:, None]
    m = part(1) + ((2 * np.arange(count) - count + 1) / count)[:, None]
    s, scale, shift = bounded(part(2)), bounded(raw[:, 3 * count]), raw[:, 3 * count + 1]
    u = (x[:, None] - m) / s
    below, above = (log_sum_exp(log_weight - softplus(-side * u), 1) for side in (1, -1))
    density = log_sum_exp(log_weight - np.log(s) - softplus(u) - softplus(-u), 1)
    z = scale * ((1 - line) * (below - above) + line * x) + shift
    log_slope = np.log(scale * ((1 - line) * np.exp(density - below - above) + line))
    return z, log_slope.sum(axis=1)


class Model:
    def __init__(self, folder):
        folder = Path(folder)
        self.manifest = json.loads((folder / "manifest.json").read_text())
        if self.manifest["format"] < 3:
            raise ValueError("formats before 3 do not keep the orders of permutations")
        self.config = tomllib.loads((folder / "config.toml").read_text())
        self.tensors = read_safetensors(folder / "model.safetensors")
        self.features = self.config["model"]["features"]
        self.columns = self.config.get("columns", [])
        if self.config["stochastic"]["kind"]:
            raise NotImplementedError("the density of random moves is an expectation")
        if self.config["flow"]["index_features"] > 1:
            raise NotImplementedError("one number u a block is all that the quadrature serves")

    def log_prob(self, x, context=None):
        x = np.asarray(x, dtype=np.float64)
        value, log_det = self.columns_to_latent(x)
        given = None
        if context is not None and context.shape[1] > 0:
            known = self.config.get("context_columns", [])
            mean = np.array([c["mean"] for c in known])
            scale = np.array([c["scale"] for c in known])
            given = (context - mean) / scale if known else context
        if self.config["flow"].get("heads"):
            value, found = self.heads(value, given)
            log_det = log_det + found
        turns = self.turns()
        for block in reversed(range(self.config["flow"]["blocks"])):
            value, found = self.block(block, value, given, turns[block])
            log_det = log_det + found
            if self.config["flow"]["index_features"] > 0:
                # Each point becomes one for every u of the quadrature.
                u = np.tile(INDEX_NODES, len(value))[:, None]
                repeat = lambda a: None if a is None else np.repeat(a, len(INDEX_NODES), axis=0)
                given, context, log_det = repeat(given), repeat(context), repeat(log_det)
                value, found = self.index_weight(block, repeat(value), u, given)
                log_det = log_det + found + math.log(INDEX_NODES[1] - INDEX_NODES[0])
        density = self.base(value, context, turns[0]) + log_det
        return log_sum_exp(density.reshape(len(x), -1), 1)

    # Networks.

    def dense(self, name, x):
        return x @ self.tensors[name + ".weights"].T + self.tensors[name + ".bias"][:, 0]

    def mlp(self, name, x, activation):
        count = sum(f"{name}.{i}.weights" in self.tensors for i in range(1000))
        for i in range(count - 1):
            x = ACTIVATIONS[activation](self.dense(f"{name}.{i}", x))
        return self.dense(f"{name}.{count - 1}", x)

    def residual_network(self, name, x, context, activation):
        act = ACTIVATIONS[activation]
        x = self.dense(name + ".input", joined(x, context))
        for i in range(self.config["flow"]["network_blocks"]):
            block = f"{name}.block{i}"
            branch = self.dense(block + ".second", act(self.dense(block + ".first", act(x))))
            if context is not None:
                branch = branch * sigmoid(self.dense(block + ".gate", context))
            x = x + branch
        return self.dense(name + ".output", x)

    def residual_mlp(self, name, x, context, activation):
        x = joined(self.mlp(name + ".first", joined(x, context), activation), context)
        for i in range(self.config["flow"]["network_blocks"]):
            x = x + self.mlp(f"{name}.block{i}", x, activation)
        return self.mlp(name + ".output", x, activation)

    def pairs(self, part, h, distances):
        """A function of all ordered pairs, rows x particles x particles x width."""
        silu = ACTIVATIONS["silu"]
        first = (h @ self.tensors[part + ".receiver"].T)[:, :, None]
        first = first + (h @ self.tensors[part + ".sender"].T)[:, None]
        first = first + self.dense(part + ".distances", distances)
        return silu(self.dense(part + ".second", silu(first)))

    def equivariant(self, name, x, context):
        silu, dimensions = ACTIVATIONS["silu"], self.config["base"]["dimensions"]
        x = x.reshape(len(x), -1, dimensions)
        others = 1.0 - np.eye(x.shape[1])[None, :, :, None]
        present = np.ones(x.shape[:2])
        if self.config["flow"].get("species"):
            context, kinds = context[:, : -x.shape[1]], context[:, -x.shape[1] :]
            context = context if context.shape[1] > 0 else None
            present = (kinds != 0).astype(float)
            others = others * (present[:, :, None] * present[:, None])[:, :, :, None]
        given = np.ones((len(x), 1)) if context is None else context
        h = np.repeat(self.dense(name + ".input", given)[:, None], x.shape[1], axis=1)
        if self.config["flow"].get("particle_types"):
            h = h + self.tensors[name + ".types"].T[self.config["flow"]["particle_types"]]
        for number, kind in enumerate(self.config["flow"].get("species", [])):
            h = h + (kinds == kind)[:, :, None] * self.tensors[name + ".species"][:, number]
        start, first = x, None
        for layer in range(self.config["flow"]["network_blocks"]):
            apart = x[:, :, None] - x[:, None]
            r = (apart**2).sum(axis=3, keepdims=True)
            first = r if first is None else first
            distances = np.concatenate([r, first], axis=3)
            for k in range(2):
                part = f"{name}.{layer}.message{k}"
                m = self.pairs(part, h, distances)
                m = m * sigmoid(self.dense(part + ".gate", m)) * others
                both = np.concatenate([h, m.sum(axis=2) / 100], axis=2)
                h = h + self.dense(part + ".update_second", silu(self.dense(part + ".update", both)))
            part = f"{name}.{layer}.pull"
            strength = self.pairs(part, h, distances) @ self.tensors[part + ".output"].T
            x = x + (apart * strength / (np.sqrt(r + 1e-8) + 1) * others).sum(axis=2) / 100
        moved = x - start
        mean = moved.sum(axis=1, keepdims=True) / present.sum(axis=1)[:, None, None]
        return (moved - mean * present[:, :, None]).reshape(len(x), -1)

    def conditioner(self, name, x, context):
        flow = self.config["flow"]
        if flow["network"] == "residual":
            return self.residual_network(name, x, context, flow["activation"])
        if flow["network"] == "equivariant":
            return self.equivariant(name, x, context)
        if flow["network"] == "residual_mlp":
            return self.residual_mlp(name, x, context, flow["activation"])
        return self.mlp(name, joined(x, context), flow["activation"])

    def masked_mlp(self, name, x, context, owners=None, outputs=None):
        """`owners`: the feature of each input; `outputs`: that of each output."""
        given = 0 if context is None else context.shape[1]
        features = x.shape[1] if owners is None else max(outputs) + 1
        owners = list(range(features)) if owners is None else owners
        act = ACTIVATIONS[self.config["flow"]["activation"]]
        lowest = 0 if given or features == 1 else 1
        seen = np.array([0] * given + [owner + 1 for owner in owners])
        x = x if context is None else np.concatenate([context, x], axis=1)
        first, straight = x, 0.0
        count = sum(f"{name}.{i}.weights" in self.tensors for i in range(1000))
        for i in range(count):
            weights = self.tensors[f"{name}.{i}.weights"]
            rows = np.arange(len(weights))
            degree = rows % features if i == count - 1 else lowest + rows % (features - lowest)
            if i == count - 1 and outputs is not None:
                degree = np.array(outputs)
                mask = np.array([0] * given + [owner + 1 for owner in owners])[None, :] <= degree[:, None]
                straight = first @ (self.tensors[name + ".linear"] * mask).T
            mask = seen[None, :] <= degree[:, None]
            x = x @ (weights * mask).T + self.tensors[f"{name}.{i}.bias"][:, 0]
            if i < count - 1:
                x = act(x)
            seen = degree
        return x + straight

    # Transforms, x to z.

    def columns_to_latent(self, x):
        if not self.columns:
            return x, np.zeros(len(x))
        z, log_det = x.copy(), np.zeros(len(x))
        unit = self.config["flow"]["kind"].endswith("smooth")
        stretched = lambda c: not c.get("open") and math.isfinite(c["lower"]) and math.isfinite(c["upper"])
        for i, column in enumerate(self.columns):
            low, high = column["lower"], column["upper"]
            if column["periodic"] or (math.isinf(low) and math.isinf(high)) or (unit and stretched(column)):
                continue
            from_low, from_high = np.log(x[:, i] - low), np.log(high - x[:, i])
            if math.isinf(high):
                z[:, i], found = from_low, -from_low
            elif math.isinf(low):
                z[:, i], found = -from_high, -from_high
            else:
                z[:, i], found = from_low - from_high, math.log(high - low) - from_low - from_high
            log_det = log_det + found
        z, log_det = self.unscaled("columns.standard", z, log_det)
        for i, column in enumerate(self.columns):
            if unit and not column["periodic"] and not stretched(column):
                log_det = log_det - 0.5 * z[:, i] ** 2 - 0.5 * LOG_2PI
                z[:, i] = 0.5 * np.vectorize(math.erfc, otypes=[float])(-z[:, i] / math.sqrt(2))
        for i, column in enumerate(self.columns):
            if "knots" in column:
                z[:, i], found = marginal_map(column, z[:, i])
                log_det = log_det + found
            if "values" in column:
                log_det = np.where((x[:, i] > 0) & (x[:, i] < len(column["values"])), log_det, -np.inf)
        return z, log_det

    def heads(self, x, context):
        """Column heads, x to z."""
        flow, names = self.config["flow"], []
        borders = []
        for i in range(self.features):
            scores = self.columns[i].get("scores", []) if self.columns else []
            borders.append(scores if scores and scores[0] == -1 and scores[-1] == 1 else [])
        seen, owners = [], []
        for i, b in enumerate(borders):
            if not b:
                parts = [np.clip(x[:, i], -8, 8)]
            else:
                b, parts = np.array(b), []
                single = "values" in self.columns[i]
                if not single or len(b) == 2:
                    middle = 0.5 * (b[0] + b[-1]) if single else x[:, i]
                    parts.append(np.sqrt(3) * middle * np.ones(len(x)))
                parts += [(x[:, i] >= border) * 1.0 for border in b[1:-1]]
            seen += parts
            owners += [i] * len(parts)
        line = [i for i, b in enumerate(borders) if not b]
        groups = [(line, 2 + 3 * flow["bins"] - 1)] if line else []
        for n in sorted({len(b) - 1 for b in borders if b}):
            groups.append(([i for i, b in enumerate(borders) if len(b) == n + 1], n))
        outputs = [i for columns, count in groups for _ in range(count) for i in columns]
        raw = self.masked_mlp("flow.heads.network", np.stack(seen, axis=1), context, owners, outputs)
        z, log_det, start = np.empty_like(x), np.zeros(len(x)), 0
        for columns, count in groups:
            own = raw[:, start : start + count * len(columns)].reshape(len(x), count, len(columns))
            start += count * len(columns)
            if not borders[columns[0]]:
                moved = (x[:, columns] - own[:, 0]) * np.exp(-own[:, 1])
                z[:, columns], found = spline(own[:, 2:], moved, flow["bins"], flow["tail_bound"], False)
                log_det = log_det + found - own[:, 1].sum(axis=1)
                continue
            for number, i in enumerate(columns):
                b = np.array(borders[i])
                width = np.diff(b)
                mass = np.log(width) + own[:, :, number]
                mass = np.exp(mass - log_sum_exp(mass, 1)[:, None])
                cell = np.clip(np.searchsorted(b, x[:, i], side="right") - 1, 0, len(width) - 1)
                rows = np.arange(len(x))
                share = (x[:, i] - b[cell]) / width[cell]
                below = np.concatenate([np.zeros((len(x), 1)), np.cumsum(mass, axis=1)], axis=1)[rows, cell]
                v = below + mass[rows, cell] * share
                z[:, i] = normal_quantile(v)
                log_det = log_det + np.log(mass[rows, cell] / width[cell]) + 0.5 * z[:, i] ** 2 + 0.5 * LOG_2PI
        return z, log_det

    def unscaled(self, name, x, log_det=0.0):
        log_scale = self.tensors[name + ".log_scale"][:, 0]
        return (x - self.tensors[name + ".mean"][:, 0]) * np.exp(-log_scale), log_det - log_scale.sum()

    def turns(self):
        """Which features of z are angles, for each block."""
        turns = [column["periodic"] and "knots" not in column for column in self.columns] or [False] * self.features
        result = []
        first = (self.features + 1) // 2
        for _ in range(self.config["flow"]["blocks"]):
            if self.config["flow"]["permutation"] != "none" and any(turns):
                turns = turns[self.features - first :] + turns[: self.features - first]
            result.insert(0, turns)
        return result

    def block(self, number, x, context, turns):
        flow, name = self.config["flow"], f"flow.{number}"
        log_det = np.zeros(len(x))
        if name + ".act_norm.mean" in self.tensors:
            x, log_det = self.unscaled(name + ".act_norm", x, log_det)
        for part in ("swap", "reverse", "permutation"):
            order = self.tensors.get(f"{name}.{part}.order")
            if order is not None:
                z = np.empty_like(x)
                z[:, order[:, 0]] = x
                x = z
        if name + ".linear.factors" in self.tensors:
            factors = self.tensors[name + ".linear.factors"]
            log_diagonal = np.diag(factors)
            lower = np.tril(factors, -1) + np.eye(len(factors))
            upper = np.triu(factors, 1) + np.diag(np.exp(log_diagonal))
            x = x @ (lower @ upper).T + self.tensors[name + ".linear.bias"][:, 0]
            if name + ".linear.order" in self.tensors:
                x = x[:, self.tensors[name + ".linear.order"][:, 0]]
            log_det = log_det + log_diagonal.sum()
        kinds = {
            "real_nvp": self.affine_coupling,
            "spline": self.map_coupling,
            "elementwise_spline": self.elementwise,
            "smooth": self.map_coupling,
            "elementwise_smooth": self.elementwise,
            "logistic": self.map_coupling,
            "elementwise_logistic": self.elementwise,
            "autoregressive_affine": self.autoregressive,
            "autoregressive_spline": self.autoregressive,
            "residual": self.residual,
            "free_form": self.free_form,
            "continuous": self.continuous,
        }
        if flow["kind"] != "none":
            own = ("residual", "free_form", "continuous")
            part = flow["kind"] if flow["kind"] in own else "coupling"
            x, found = kinds[flow["kind"]](f"{name}.{part}", x, context, turns)
            log_det = log_det + found
        return x, log_det

    def free_form(self, name, x, context, turns):
        """Newton's steps from the encoder's z; complex steps give the decoder's Jacobian."""

        def through(part, v):
            skip = v if self.config["flow"]["global_skip"] else 0
            return skip + self.conditioner(name + part, v, context)

        def jacobian(z):
            step = 1e-30j * np.eye(x.shape[1])
            return np.stack([through(".decoder", z + e).imag / 1e-30 for e in step], axis=2)

        z = through(".encoder", x)
        for _ in range(50):
            off = x - through(".decoder", z)
            z = z + np.linalg.solve(jacobian(z), off[:, :, None])[:, :, 0]
        if np.abs(off).max() > 1e-8:
            raise ValueError("no z was found for some x")
        return z, -np.linalg.slogdet(jacobian(z))[1]

    def continuous(self, name, x, context, turns):
        """Equal steps backward in time; complex steps give the divergence."""

        def field(v, t):
            time = np.tile([t, np.sin(np.pi * t), np.cos(np.pi * t)], (len(v), 1))
            velocity = lambda at: self.conditioner(name + ".velocity", at, joined(time, context))
            step = 1e-30j * np.eye(v.shape[1])
            trace = sum(velocity(v + e)[:, i].imag / 1e-30 for i, e in enumerate(step))
            return np.concatenate([velocity(v), trace[:, None]], axis=1)

        steps = self.config["flow"]["steps"]
        state, h = np.concatenate([x, np.zeros((len(x), 1))], axis=1), -1 / steps
        for n in range(steps):
            slopes = []
            for node, weights in DORMAND_PRINCE:
                moved = state + h * sum((w * k for w, k in zip(weights, slopes)), np.zeros_like(state))
                slopes.append(field(moved[:, :-1], 1 + (n + node) * h))
            weights = (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
            state = state + h * sum(w * k for w, k in zip(weights, slopes))
        return state[:, :-1], state[:, -1]

    def affine(self, raw, x, scale_map, name):
        features = x.shape[1]
        shift, scale = raw[:, :features], raw[:, features:]
        if scale_map == "none":
            return x - shift, 0.0
        if scale_map == "sigmoid":
            return x * sigmoid(scale + 2) + shift, -softplus(-(scale + 2)).sum(axis=1)
        if scale_map == "soft_clip":
            scale = soft_clip(scale, math.log(1000))
            return x * np.exp(scale) + shift, scale.sum(axis=1)
        if scale_map == "tanh":
            scale = np.exp(self.tensors[name + ".log_amplitude"][0, 0]) * np.tanh(scale)
        return (x - shift) * np.exp(-scale), -scale.sum(axis=1)

    def affine_coupling(self, name, x, context, turns):
        first = (x.shape[1] + 1) // 2
        raw = self.conditioner(name + ".conditioner", x[:, :first], context)
        moved, log_det = self.affine(raw, x[:, first:], self.config["flow"]["scale_map"], name)
        return np.concatenate([x[:, :first], moved], axis=1), log_det

    def map_coupling(self, name, x, context, turns):
        flow, first = self.config["flow"], (x.shape[1] + 1) // 2
        kept, angles = x[:, :first], np.array(turns[:first])
        line = 2 * kept - 1 if flow["kind"] == "smooth" else kept
        if angles.any():
            seen = np.concatenate([np.cos(kept[:, angles]), np.sin(kept[:, angles]), line[:, ~angles]], axis=1)
        else:
            seen = line
        raw = self.conditioner(name + ".conditioner", seen, context)
        moved, log_det = by_features(raw, x[:, first:], flow, turns[first:])
        return np.concatenate([kept, moved], axis=1), log_det

    def elementwise(self, name, x, context, turns):
        flow = self.config["flow"]
        raw = np.tile(self.tensors[name + ".raw"].reshape(1, -1), (len(x), 1))
        if context is not None:
            raw = raw + self.conditioner(name + ".conditioner", context, None)
        return by_features(raw, x, flow, turns)

    def autoregressive(self, name, x, context, turns):
        flow = self.config["flow"]
        raw = self.masked_mlp(name + ".network", x, context)
        if flow["kind"] == "autoregressive_spline":
            return by_features(raw, x, flow, turns)
        return self.affine(raw, x, flow["scale_map"], name)

    def residual(self, name, x, context, turns):
        net, count = name + ".network", len(self.config["flow"]["hidden"]) + 1
        bound = self.config["flow"]["lipschitz"] ** (1 / count)
        value = x
        jacobian = np.tile(np.eye(x.shape[1]), (len(x), 1, 1))
        for i in range(count):
            weights = self.tensors[f"{net}.{i}.weights"]
            log_s = np.log(np.linalg.svd(weights, compute_uv=False))
            norm = math.exp(log_sum_exp(8192 * log_s, 0) / 8192)  # tr((W W^T)^4096)^(1/8192)
            weights = weights * (bound / max(norm, bound))
            value = value @ weights.T + self.tensors[f"{net}.{i}.bias"][:, 0]
            jacobian = weights @ jacobian
            if i == 0 and context is not None:
                value = value + context @ self.tensors[net + ".context.weights"].T
            if i < count - 1:
                k = softplus(self.tensors[f"{net}.{i}.beta"][0, 0])
                gate = sigmoid(k * value)
                jacobian = ((gate + k * value * gate * (1 - gate)) / 1.1)[:, :, None] * jacobian
                value = value * gate / 1.1
        return x + value, np.linalg.slogdet(np.eye(x.shape[1]) + jacobian)[1]

    def index_weight(self, number, x, u, context=None):
        """z and log|dz/dx| + log p(u | z) of the continuously indexed layer of a block."""
        name, activation = f"flow.{number}.index", self.config["flow"]["activation"]

        def halves(part, given):
            output = self.mlp(f"{name}.{part}", joined(given, context), activation)
            half = output.shape[1] // 2
            return output[:, :half], 5 * np.tanh(output[:, half:] / 5)

        shift, log_scale = halves("affine", u)
        z = (x - shift) * np.exp(-log_scale)
        mean, log_deviation = halves("prior", z)
        return z, normal(u, mean, log_deviation) - log_scale.sum(axis=1)

    # Bases.

    def base(self, z, context, turns):
        base = self.config["base"]
        if base["kind"] != "resampled":
            return self.by_class(base["kind"], z, context, turns)
        log_proposal = self.by_class(base["proposal"], z, context, turns)
        truncation = base["truncation"]
        if truncation == 1:
            return log_proposal
        final = self.tensors["base.resampled.normaliser"][:, 0]
        rate = np.where(final > 0, final, self.tensors["base.resampled.z_average"][:, 0])
        angles = np.array(turns)
        seen = np.concatenate([np.cos(z[:, angles]), np.sin(z[:, angles]), z[:, ~angles]], axis=1)
        if base["conditional"] != "none":
            one_hot = self.one_hot(context)
            rate = one_hot @ rate
            if base["conditional"] in ("acceptance", "both"):
                seen = np.concatenate([seen, one_hot], axis=1)
        rate = np.clip(rate, 1e-12, 1 - 1e-6)
        logit = self.mlp("base.acceptance", seen, "relu")[:, 0]
        log_ratio = -softplus(-logit) - np.log(rate)
        if truncation == 0:
            return log_proposal + log_ratio
        log_forced = (truncation - 1) * np.log1p(-rate)
        return log_proposal + np.logaddexp(np.log(-np.expm1(log_forced)) + log_ratio, log_forced)

    def one_hot(self, context):
        classes = np.array(self.config["base"]["classes"]).reshape(-1, context.shape[1])
        return (context[:, None] == classes).all(axis=2).astype(float)

    def by_class(self, kind, z, context, turns):
        if self.config["base"]["conditional"] not in ("proposal", "both"):
            return self.simple_base(kind, z, turns, context)
        one_hot = self.one_hot(context)
        log_scale = one_hot @ self.tensors["base.class.log_scales"].T
        moved = (z - one_hot @ self.tensors["base.class.means"].T) * np.exp(-log_scale)
        return self.simple_base(kind, moved, turns) - log_scale.sum(axis=1)

    def simple_base(self, kind, z, turns, context=None):
        if kind == "normal":
            line = ~np.array(turns)
            return -0.5 * (z[:, line] ** 2).sum(axis=1) - 0.5 * line.sum() * LOG_2PI - (~line).sum() * LOG_2PI
        if kind == "uniform":
            line = ~np.array(turns)
            inside = ((z[:, line] >= 0) & (z[:, line] <= 1)).all(axis=1)
            return np.where(inside, -(~line).sum() * LOG_2PI, -np.inf)
        if kind == "mean_free_normal":
            dimensions = self.config["base"]["dimensions"]
            positions = z.reshape(len(z), -1, dimensions)
            present = np.ones(positions.shape[:2])
            if self.config["flow"].get("species"):
                present = (context[:, -positions.shape[1] :] != 0).astype(float)
            count, present = present.sum(axis=1), present[:, :, None]
            mean = (positions * present).sum(axis=1, keepdims=True) / count[:, None, None]
            free = (positions - mean) * present
            return -0.5 * (free**2).sum(axis=(1, 2)) - 0.5 * (count - 1) * dimensions * LOG_2PI
        if kind == "trainable_normal":
            return normal(z, self.tensors["base.normal.mean"].T, self.tensors["base.normal.log_scale"].T)
        if kind == "mixture":
            logits = self.tensors["base.mixture.logits"][0]
            parts = [
                normal(z, self.tensors["base.mixture.locations"][None, :, k], self.tensors["base.mixture.log_scales"][None, :, k])
                for k in range(len(logits))
            ]
            return log_sum_exp(np.stack(parts, axis=1) + logits - log_sum_exp(logits, 0), 1)
        if kind == "flow":
            log_det = 0.0
            for block in reversed(range(self.config["base"]["flow_blocks"])):
                first = (z.shape[1] + 1) // 2
                kept, moved = np.arange(first), np.arange(first, z.shape[1])
                if block % 2 == 1:
                    kept, moved = moved, kept
                raw = self.mlp(f"base.flow.{block}.conditioner", z[:, kept], "relu")
                z = z.copy()
                z[:, moved], found = self.affine(raw, z[:, moved], "exp", "")
                log_det = log_det + found
            return normal(z, 0.0, np.zeros((1, z.shape[1]))) + log_det
        if kind == "stack":
            base = self.config["base"]
            members = zip(base["member_kinds"], base["member_sizes"])
            parts = [self.member(f"base.stack.{k}", *member, z) for k, member in enumerate(members)]
            return mean_density(self.tensors["base.stack.logits"][0], parts)
        raise NotImplementedError(kind)

    # Members of a stack.

    def member(self, name, kind, size, z):
        if kind == "normals":
            whitening = self.tensors[name + ".whitening"].reshape(size, self.features, self.features)
            parts = []
            for k in range(size):
                white = (z - self.tensors[name + ".means"][:, k]) @ whitening[k].T
                log_det = np.log(np.diag(whitening[k])).sum()
                parts.append(log_det - 0.5 * (white**2).sum(axis=1) - 0.5 * self.features * LOG_2PI)
            return mean_density(self.tensors[name + ".logits"][0], parts)
        if kind == "kernel":
            names = {f"{name}.mixture": "base.mixture", f"{name}.linear": "flow.0.linear"}
            flow = {"kind": "none", "blocks": 1}
            return self.inner_model(names, flow, {"kind": "mixture"}).log_prob(z)
        flow = {"kind": "spline" if self.features > 1 else "elementwise_spline"}
        flow |= {"blocks": self.config["base"]["flow_blocks"], "network": "mlp", "activation": "relu"}
        flow |= {"bins": 8, "tail_bound": 5.0, "scale_map": "exp"}
        flows = [
            self.inner_model({f"{name}.{f}.flow": "flow"}, flow, {"kind": "normal"}) for f in range(size)
        ]
        return mean_density(self.tensors[name + ".logits"][0], [flow.log_prob(z) for flow in flows])

    def inner_model(self, names, flow, base):
        """A model of some tensors under other names, without columns."""
        model = Model.__new__(Model)
        model.features, model.columns, model.tensors = self.features, [], {}
        for before, after in names.items():
            for name, values in self.tensors.items():
                if name.startswith(before + "."):
                    model.tensors[after + name[len(before) :]] = values
        flow = {"permutation": "lu", "index_features": 0, **flow}
        model.config = {"flow": flow, "base": {"conditional": "none", **base}}
        return model


def mean_density(logits, parts):
    return log_sum_exp(np.stack(parts, axis=1) + logits - log_sum_exp(logits, 0), 1)


def joined(x, context):
    return x if context is None else np.concatenate([x, context], axis=1)


def normal(x, mean, log_scale):
    standard = (x - mean) * np.exp(-log_scale)
    log_scale = np.broadcast_to(log_scale, standard.shape)
    return -0.5 * (standard**2).sum(axis=1) - log_scale.sum(axis=1) - 0.5 * standard.shape[1] * LOG_2PI
