"""What samples are held against: a classifier that tells them from held-out rows, values that
cannot be, the mass at values that repeat, and marginal distances. Frames are of text, as files have
it."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import catalogue
import kinds

AUC_ROWS = 4000  # of each side, at most


def matrix(frames):
    """The frames as matrices of numbers with the same codes for text; and which columns are
    codes."""
    first = frames[0]
    result = [np.empty((len(frame), first.shape[1])) for frame in frames]
    coded = np.zeros(first.shape[1], bool)
    for k, name in enumerate(first):
        if catalogue.kind_of_text(first[name]) != "text":
            for values, frame in zip(result, frames):
                values[:, k] = catalogue.as_numbers(frame[name])
            continue
        seen = {}
        for frame in frames:
            for value in frame[name].dropna().unique():
                seen.setdefault(value, len(seen))
        coded[k] = len(seen) <= 255  # more the classifier refuses, so their codes are numbers to it
        for values, frame in zip(result, frames):
            values[:, k] = frame[name].map(seen).to_numpy(float)
    return result, coded


def auc(held_out, samples, seeds=3):
    """Mean area under the ROC curve over seeds, of predictions for rows that were not learnt from;
    and its standard error: Hanley and McNeil's of the rows, and the spread of the seeds. Each seed
    draws anew from `samples`, which may be more, as many as there are held-out rows."""
    count = min(len(held_out), len(samples), AUC_ROWS)
    (real, fake), coded = matrix([held_out, samples[list(held_out)]])
    areas = []
    leaf = 20 if count >= 200 else 5
    for seed in range(seeds if count < 2000 else 2):
        generator = np.random.default_rng(seed)
        x = np.concatenate([generator.permutation(side)[:count] for side in (real, fake)])
        y = np.repeat([0, 1], count)
        scores = np.empty(2 * count)
        folds = StratifiedKFold(5 if count < 2000 else 3, shuffle=True, random_state=seed)
        for fit, judge in folds.split(x, y):
            model = HistGradientBoostingClassifier(
                categorical_features=coded, early_stopping=False, min_samples_leaf=leaf,
                random_state=seed)
            scores[judge] = model.fit(x[fit], y[fit]).predict_proba(x[judge])[:, 1]
        areas.append(roc_auc_score(y, scores))
    area = float(np.mean(areas))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (count - 1) * (q1 + q2 - 2 * area**2)) / count**2
    return area, float(np.sqrt(variance + np.var(areas) / len(areas)))


def impossible(train, samples):
    """Numbers of sampled values that cannot be, by what is wrong with them and by column.

    category: a text, or one of at most 40 numbers with five rows each, that is none of those seen;
    whole, decimals: not on the grid of the data (kinds.step_of), of step 1 and more or less than 1;
    bound: beyond an extreme that holds a hundredth of the rows, five at least; negative: below 0
    where no value is; missing: where the data have none. Dates have no sign."""
    counts = {}

    def note(what, name, wrong):
        if np.any(wrong):
            counts.setdefault(what, {})[name] = int(np.sum(wrong))

    for name in train:
        kind = catalogue.kind_of_text(train[name])
        known, drawn = train[name].dropna(), samples[name]
        if len(known) == len(train):
            note("missing", name, drawn.isna())
        drawn = drawn.dropna()
        if kind == "text":
            note("category", name, ~drawn.isin(set(known)))
            continue
        if catalogue.kind_of_text(drawn) != kind:
            note("category", name, np.ones(len(drawn), bool))
            continue
        values, sampled = catalogue.as_numbers(known), catalogue.as_numbers(drawn)
        step = kinds.step_of(values)
        if step > 0:
            steps = (sampled - values.min()) / step
            away = np.abs(steps - np.round(steps))
            wrong = away > 1e-6 + 1e-12 * np.abs(sampled) / step
            note("whole" if step >= 1 else "decimals", name, wrong)
        distinct, repeats = np.unique(values, return_counts=True)
        least = max(5, 0.01 * len(values))
        if repeats[0] >= least:
            note("bound", name, sampled < distinct[0])
        elif distinct[0] >= 0 and kind == "number":
            note("negative", name, sampled < 0)
        if repeats[-1] >= least:
            note("bound", name, sampled > distinct[-1])
        if len(distinct) <= 40 and repeats.min() >= 5:
            wrong = ~np.isin(np.round(sampled, 6), np.round(distinct, 6))
            inside = (sampled >= distinct[0]) & (sampled <= distinct[-1])
            on_grid = wrong & inside & (away <= 1e-6 if step > 0 else True)
            note("category", name, on_grid)
    return counts


def spikes(rows, samples):
    """Of the values of numeric columns that hold a fiftieth of the rows, eight at least, five a
    column: the largest distance of their shares in samples and rows; and the shares of exact
    zeros."""
    worst, zeros = {"distance": 0.0}, {}
    for name in rows:
        if catalogue.kind_of_text(rows[name]) != "number":
            continue
        values, sampled = catalogue.as_numbers(rows[name]), catalogue.as_numbers(samples[name])
        distinct, repeats = np.unique(values[~np.isnan(values)], return_counts=True)
        for k in np.argsort(-repeats)[:5]:
            if repeats[k] < max(8, 0.02 * len(values)):
                continue
            shares = repeats[k] / len(values), float(np.mean(sampled == distinct[k]))
            if abs(shares[1] - shares[0]) > worst["distance"]:
                worst = {"distance": abs(shares[1] - shares[0]), "column": name,
                         "value": float(distinct[k]), "data": shares[0], "samples": shares[1]}
        share = float(np.mean(values == 0))
        if share >= 0.01 and len(distinct) > 2:
            zeros[name] = [share, float(np.mean(sampled == 0))]
    return worst, zeros


def marginal_distances(rows, samples):
    """Kolmogorov and Smirnov's distance of each column; of text, the largest difference of a share.
    A missing value counts as one below all others."""
    result = {}
    (real, fake), _ = matrix([rows, samples])
    for k, name in enumerate(rows):
        a, b = (np.nan_to_num(x[:, k], nan=-np.inf) for x in (real, fake))
        if catalogue.kind_of_text(rows[name]) == "text":
            distinct = np.union1d(a, b)
            distances = [abs(np.mean(a == value) - np.mean(b == value)) for value in distinct]
            result[name] = float(max(distances))
            continue
        a, b = np.sort(a), np.sort(b)
        points = np.union1d(a, b)
        result[name] = float(np.max(np.abs(
            np.searchsorted(a, points, side="right") / len(a)
            - np.searchsorted(b, points, side="right") / len(b))))
    return result
