"""Models in the graphs of PyTorch, for losses and samplers that go through their densities."""

from __future__ import annotations

from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]

from .model import Model


class _LogProb(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    @staticmethod
    def forward(context: Any, x: Any, model: Model, condition: Any) -> Any:
        points = x.detach().cpu().double().numpy()
        if x.requires_grad:
            values, slopes = model.log_prob(points, condition, gradient=True)
            context.save_for_backward(torch.from_numpy(slopes).to(x))
        else:
            values = model.log_prob(points, condition)
        return torch.as_tensor(values).to(x)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(context: Any, cotangent: Any) -> tuple[Any, None, None]:
        (slopes,) = context.saved_tensors
        by_row = cotangent.reshape(cotangent.shape + (1,) * (slopes.ndim - cotangent.ndim))
        return by_row * slopes, None, None


def log_prob(model: Model, x: Any, condition: Any = None) -> Any:
    """Log densities of the rows of a tensor, n x ``model.columns``, in nats: a tensor of n. Of a
    molecule's model, of positions in nm: n x atoms x 3, n x 3 atoms, or atoms x 3 of one.

    They can be differentiated by x, once; the model's own parameters and the condition stay as
    they are. Slopes are computed in double, densities in the precision of the model's training.
    """
    return _LogProb.apply(x, model, condition)  # type: ignore[no-untyped-call, unused-ignore]


class _FromLatent(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    @staticmethod
    def forward(context: Any, z: Any, model: Model, condition: Any) -> Any:
        points = z.detach().cpu().double().numpy()
        context.saved = points, model, condition
        return torch.from_numpy(model.from_latent(points, condition)).to(z)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(context: Any, cotangent: Any) -> tuple[Any, None, None]:
        points, model, condition = context.saved
        slopes = model._pull_back(points, cotangent.cpu().double().numpy(), condition)
        return torch.from_numpy(slopes).to(cotangent), None, None


def from_latent(model: Model, z: Any, condition: Any = None) -> Any:
    """Samples as a function of points of the base: a tensor n x ``model.columns`` of one like it.

    They can be differentiated by z, once, for losses of samples; as ``Model.from_latent`` otherwise.
    Points of the base's own law are ``model.to_latent(model.sample(n))``.
    """
    return _FromLatent.apply(z, model, condition)  # type: ignore[no-untyped-call, unused-ignore]
