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
        return torch.from_numpy(values).to(x)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(context: Any, cotangent: Any) -> tuple[Any, None, None]:
        (slopes,) = context.saved_tensors
        return cotangent[:, None] * slopes, None, None


def log_prob(model: Model, x: Any, condition: Any = None) -> Any:
    """Log densities of the rows of a tensor, n x ``model.columns``, in nats: a tensor of n.

    They can be differentiated by x, once; the model's own parameters and the condition stay as
    they are. Slopes are computed in double, densities in the precision of the model's training.
    """
    return _LogProb.apply(x, model, condition)  # type: ignore[no-untyped-call, unused-ignore]
