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


def test_samples_have_gradients(data):
    from thalweg.torch import from_latent

    bounded = thalweg.fit(data, bounds={"x0": (-10, 10)}, settings=DOUBLE)
    z = torch.tensor(bounded.to_latent(data[:6]), requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: from_latent(bounded, z), (z,))
    x = from_latent(bounded, z.detach().float())
    assert x.dtype == torch.float32 and not x.requires_grad
    given = thalweg.fit(
        data[:, :1], condition=data[:, 1:], settings=DOUBLE | {"flow.kind": "elementwise_spline"}
    )
    z = torch.tensor([[0.3], [-1.2], [0.8]], dtype=torch.float64, requires_grad=True)
    condition = [[0.1], [0.7], [0.4]]
    assert torch.autograd.gradcheck(lambda z: from_latent(given, z, condition), (z,))
