"""Trained models of other libraries: equal log densities, and what cannot be mapped."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import thalweg

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")


@pytest.fixture
def nf():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("normflows", reason="normflows is not installed")


def shaken(model: object, seed: int = 1, size: float = 0.3) -> object:
    """The model with all its parameters moved, as a training does."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn_like(parameter) / max(1, parameter.shape[-1]) ** 0.5
    return model.eval()


def expect_equal(model: object, imported: thalweg.Model, features: int, context: int = 0) -> None:
    """Log densities of 1 000 points agree to 1e-5 of their size, in float."""
    lazy = hasattr(model, "transform")  # of zuko
    torch.manual_seed(7)
    x = 1.5 * torch.randn(1000, features)
    given = (torch.randn(1000, context),) if context else ()
    with torch.no_grad():
        own = model(*given).log_prob(x) if lazy else model.log_prob(x, *given)
    found = imported.log_prob(x.numpy(), *(each.numpy() for each in given))
    size = np.maximum(1.0, np.abs(own.numpy()))
    assert np.max(np.abs(found - own.numpy()) / size) < 1e-5


def real_nvp(nf, features: int, hidden: int = 16, leaky: float = 0.0):
    half = (features + 1) // 2
    flows = []
    for _ in range(4):
        net = nf.nets.MLP([half, hidden, hidden, 2 * (features - half)], leaky=leaky)
        flows += [nf.flows.AffineCouplingBlock(net), nf.flows.Permute(features, mode="swap")]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(features), flows)


@pytest.mark.parametrize("features", [2, 5])
@pytest.mark.parametrize("leaky", [0.0, 0.01])
def test_real_nvp_of_normflows(nf, features, leaky):
    model = shaken(real_nvp(nf, features, leaky=leaky))
    expect_equal(model, thalweg.import_normflows(model), features)


@pytest.mark.parametrize("features", [2, 3, 6])
def test_masked_flows_of_normflows(nf, features, tmp_path):
    mask = torch.tensor([number % 2 for number in range(features)], dtype=torch.float32)
    flows = []
    for number in range(4):
        t, s = (nf.nets.MLP([features, 8 + 2 * k, features]) for k in range(2))
        flows += [
            nf.flows.MaskedAffineFlow(
                mask if number % 2 else 1 - mask, t, None if number == 1 else s
            ),
            nf.flows.ActNorm(features),
            nf.flows.Permute(features, mode="shuffle"),
        ]
    model = nf.NormalizingFlow(nf.distributions.GaussianMixture(3, features), flows)
    model.log_prob(torch.randn(100, features))  # initialises ActNorm
    shaken(model, size=0.2)
    imported = thalweg.import_normflows(model, tmp_path / "run")
    expect_equal(model, imported, features)
    # It is a run as any: loaded again, sampled, and judged by points.
    again = thalweg.load(tmp_path / "run")
    x = again.sample(200, seed=1)
    np.testing.assert_array_equal(again.log_prob(x), imported.log_prob(x))
    assert np.isfinite(again.evaluate(x)["log_likelihood"])
    with pytest.raises(thalweg.ConfigError, match="exists already"):
        thalweg.import_normflows(model, tmp_path / "run")
    thalweg.import_normflows(model, tmp_path / "run", force=True)


@pytest.mark.parametrize(("features", "context"), [(2, 0), (3, 0), (4, 3)])
def test_splines_of_normflows(nf, features, context):
    flows = []
    for number in range(3):
        flows.append(
            nf.flows.CoupledRationalQuadraticSpline(
                features, 2, 16, num_context_channels=context or None, reverse_mask=number % 2 == 1
            )
        )
        flows.append(nf.flows.LULinearPermute(features))
    base = nf.distributions.DiagGaussian(features, trainable=False)
    kind = nf.ConditionalNormalizingFlow if context else nf.NormalizingFlow
    model = shaken(kind(base, flows))
    expect_equal(model, thalweg.import_normflows(model), features, context)


def test_what_normflows_has_besides_is_refused_by_name(nf):
    base = nf.distributions.DiagGaussian(4)
    coupling = nf.flows.AffineCouplingBlock(nf.nets.MLP([2, 8, 4]))

    def expect(layers: list[object], text: str, base: object = base) -> None:
        with pytest.raises(thalweg.ConfigError, match=text):
            thalweg.import_normflows(nf.NormalizingFlow(base, layers))

    expect([coupling, nf.flows.BatchNorm()], "BatchNorm: cannot be imported")
    expect([coupling, nf.flows.Planar((4,))], "Planar: cannot be imported")
    expect(
        [nf.flows.AffineCouplingBlock(nf.nets.MLP([2, 8, 4]), scale_map="sigmoid")],
        "scale_map='sigmoid'",
    )
    expect([nf.flows.AffineCouplingBlock(nf.nets.MLP([2, 4]))], "no hidden layer")
    expect([coupling, nf.flows.CoupledRationalQuadraticSpline(4, 1, 8)], "settings differ")
    expect([nf.flows.Permute(4)], "got none that is known")
    expect(
        [coupling], "UniformGaussian: cannot be imported", nf.distributions.UniformGaussian(4, [1])
    )
    expect([coupling, nf.flows.ActNorm(4)], "it has not seen a batch yet")
    with pytest.raises(
        thalweg.ConfigError, match="expected a NormalizingFlow of normflows, got a Linear"
    ):
        thalweg.import_normflows(torch.nn.Linear(2, 2))


def test_activations_with_other_options_are_refused_by_name():
    from thalweg.imports.pytorch import activation_name

    for module, name in (
        (torch.nn.Softplus(), "softplus"),
        (torch.nn.GELU(), "gelu"),
        (torch.nn.ELU(), "elu"),
    ):
        assert activation_name(module) == name
    for module, text in (
        (torch.nn.Softplus(beta=2), r"Softplus\(beta=2\.?0?\): cannot be imported"),
        (torch.nn.Softplus(threshold=1), r"Softplus\(threshold=1\.?0?\): cannot be imported"),
        (torch.nn.GELU(approximate="tanh"), r"GELU\(approximate='tanh'\): cannot be imported"),
        (torch.nn.ELU(alpha=0.5), r"ELU\(alpha=0.5\): cannot be imported"),
    ):
        with pytest.raises(thalweg.ConfigError, match=text):
            activation_name(module)


@pytest.fixture
def zuko():
    return pytest.importorskip("zuko", reason="zuko is not installed: pip install zuko")


@pytest.mark.parametrize(("features", "context"), [(2, 0), (3, 0), (5, 2), (6, 0)])
@pytest.mark.parametrize("name", ["MAF", "NSF", "RealNVP"])
def test_flows_of_zuko(zuko, name, features, context):
    options = {"randmask": True} if name == "RealNVP" else {"randperm": True}
    if features == 2:
        options = {}
    model = getattr(zuko.flows, name)(
        features, context, transforms=4, hidden_features=(11, 14), **options
    )
    expect_equal(shaken(model), thalweg.import_zuko(model), features, context)


def test_coupling_splines_and_double_of_zuko(zuko):
    model = shaken(zuko.flows.NSF(5, passes=2, hidden_features=(12,), activation=torch.nn.Tanh))
    expect_equal(model, thalweg.import_zuko(model), 5)
    model = shaken(zuko.flows.NSF(3, bins=5, hidden_features=(12, 12)).double())
    imported = thalweg.import_zuko(model)
    x = torch.randn(100, 3, dtype=torch.float64)
    with torch.no_grad():
        own = model().log_prob(x)
    np.testing.assert_allclose(imported.log_prob(x.numpy()), own.numpy(), rtol=1e-11)
    values, slopes = imported.log_prob(x.numpy(), gradient=True)
    x.requires_grad_(True)
    (expected,) = torch.autograd.grad(model().log_prob(x).sum(), x)
    np.testing.assert_allclose(slopes, expected.numpy(), rtol=1e-8, atol=1e-9)


def test_what_zuko_has_besides_is_refused_by_name(zuko):
    def expect(flow: object, text: str) -> None:
        with pytest.raises(thalweg.ConfigError, match=text):
            thalweg.import_zuko(flow)

    expect(zuko.flows.NCSF(3), "CircularRQSTransform: cannot be imported")
    expect(zuko.flows.NAF(3), "cannot be imported")
    expect(zuko.flows.CNF(3), "cannot be imported")
    expect(zuko.flows.MAF(3, residual=True), "activation Residual: cannot be imported")
    expect(zuko.flows.NSF(3, slope=1e-2), "slope=0.01")
    expect(torch.nn.Linear(2, 2), "expected a Flow of zuko, got a Linear")
