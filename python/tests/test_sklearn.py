"""The estimator does what scikit-learn expects of one."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL, banana

sklearn = pytest.importorskip("sklearn")

from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from thalweg.sklearn import FlowDensity  # noqa: E402

FEW_ROWS = "the check has fewer than the 20 rows that the library wants"
EXPECTED_FAILURES = {
    "check_fit2d_1sample": FEW_ROWS,
    "check_fit2d_1feature": FEW_ROWS,
    "check_n_features_in_after_fitting": FEW_ROWS,
    "check_sample_weights_pandas_series": FEW_ROWS,
    "check_sample_weights_not_an_array": FEW_ROWS,
    "check_sample_weights_shape": FEW_ROWS,
    "check_sample_weights_not_overwritten": FEW_ROWS,
    "check_estimators_nan_inf": FEW_ROWS,
    "check_sample_weight_equivalence_on_dense_data": "rows are split at random for validation, so "
    "that a row's repetition is not its weight",
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [FlowDensity(settings=SMALL | {"training.iterations": 5}, random_state=1)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_the_checks_of_sklearn(estimator, check):
    check(estimator)


def test_it_serves_in_pipelines_and_searches():
    data = banana(300)
    flow = FlowDensity(settings=SMALL | {"training.iterations": 20}, random_state=2)
    assert np.all(np.isfinite(cross_val_score(flow, data, cv=3)))
    pipeline = make_pipeline(StandardScaler(), flow).fit(data)
    assert pipeline.score_samples(data).shape == (300,)
    search = GridSearchCV(flow, {"flow": ["real_nvp", "elementwise_spline"]}, cv=2)
    settings = {key: value for key, value in SMALL.items() if key != "flow.kind"}
    search.estimator.settings = settings | {"training.iterations": 20}
    search.fit(data)
    samples = search.best_estimator_.sample(5, random_state=1)
    np.testing.assert_array_equal(samples, search.best_estimator_.sample(5, random_state=1))
