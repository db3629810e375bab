"""A density estimator for scikit-learn: pipelines, cross validation, searches of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, DensityMixin  # type: ignore[import-untyped, unused-ignore]
from sklearn.utils import check_random_state  # type: ignore[import-untyped, unused-ignore]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped, unused-ignore]

from .errors import DataError
from .fitting import fit

Array = npt.NDArray[np.float64]


class FlowDensity(DensityMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """The density of rows of numbers, by ``thalweg.fit``.

    bounds, periodic: of columns by number, as ``fit`` takes them. flow, base, settings,
    time_budget: as there. random_state: None or a whole number, the seed.

    Fitted, ``model_`` is the ``thalweg.Model``. At least 20 rows are needed.
    """

    def __init__(
        self,
        *,
        bounds: Any = None,
        periodic: Any = None,
        flow: str | None = None,
        base: str | None = None,
        settings: dict[str, Any] | None = None,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.bounds = bounds
        self.periodic = periodic
        self.flow = flow
        self.base = base
        self.settings = settings
        self.time_budget = time_budget
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> FlowDensity:
        """Learns the density of the rows of X, which count as their weights say; y is not used."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
            if sample_weight.size and not np.any(sample_weight):
                raise DataError("sample weights must contain at least one non-zero number")
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = 1 if seed is None else check_random_state(seed).randint(2**31 - 1)
        self.model_ = fit(
            X,
            weights=sample_weight,
            bounds=self.bounds,
            periodic=self.periodic,
            flow=self.flow,
            base=self.base,
            settings=self.settings,
            time_budget=self.time_budget,
            seed=int(seed),
            progress=False,
        )
        return self

    def score_samples(self, X: Any) -> Array:
        """Log densities of the rows of X, in nats."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        values: Array = self.model_.log_prob({f"x{i}": X[:, i] for i in range(X.shape[1])})
        return values

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log density of the rows of X, in nats; y is not used."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Draws rows of the density."""
        check_is_fitted(self)
        seed = None
        if random_state is not None:
            seed = int(check_random_state(random_state).randint(2**31 - 1))
        samples: Array = self.model_.sample(n_samples, seed=seed)
        return samples
