"""Models in PyTorch's graphs."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL

import thalweg

torch = pytest.importorskip("torch")

DOUBLE = SMALL | {"precision": "double", "flow.activation": "tanh", "data.marginal_maps": False}


def test_log_densities_have_gradients(data):
    from thalweg.torch import log_prob

    model = thalweg.fit(data, settings=DOUBLE)
    x = torch.tensor(data[:10], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_prob(model, x), (x,))
    (2 * log_prob(model, x).sum() + x.sum()).backward()
    _, slopes = model.log_prob(data[:10], gradient=True)
    np.testing.assert_allclose(x.grad.numpy(), 2 * slopes + 1)
    single = log_prob(model, torch.tensor(data[:10], dtype=torch.float32))
    assert single.dtype == torch.float32 and not single.requires_grad
    np.testing.assert_allclose(single.numpy(), model.log_prob(data[:10]), rtol=1e-4)


def test_a_condition_is_given(data):
    from thalweg.torch import log_prob

    model = thalweg.fit(
        data[:, :1], condition=data[:, 1:], settings=DOUBLE | {"flow.kind": "elementwise_spline"}
    )
    x = torch.tensor(data[:5, :1], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_prob(model, x, condition=0.3), (x,))
