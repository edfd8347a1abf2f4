"""Layer-wise pruning as the methods' papers describe it, without any of this package's shortcuts: the other side of the
ratios.

One hook and one float32 statistic for every linear, two full passes over each layer, a full sort for every threshold,
three steps to the inverse factor, and a Python loop over columns. Windows pass one at a time through the layers as
transformers has them, as in the published code.
"""

import contextlib

import torch
from torch import Tensor, nn

from calibprune.models.families import decoder, linears


class Norms:
    def __init__(self, linear: nn.Linear) -> None:
        self.total = torch.zeros(linear.in_features)

    def add(self, x: Tensor) -> None:
        self.total += x.reshape(-1, x.shape[-1]).float().norm(dim=0) ** 2

    def solve(self, linear: nn.Linear, sparsity: float) -> None:
        score = linear.weight.abs() * self.total.sqrt()
        order = score.sort(dim=1, stable=True).indices[:, : int(score.shape[1] * sparsity)]
        linear.weight.data.scatter_(1, order, 0)


class Hessian:
    def __init__(self, linear: nn.Linear) -> None:
        self.total = torch.zeros(linear.in_features, linear.in_features)
        self.samples = 0

    def add(self, x: Tensor) -> None:
        self.total *= self.samples / (self.samples + len(x))
        self.samples += len(x)
        x = (2 / self.samples) ** 0.5 * x.reshape(-1, x.shape[-1]).float()
        self.total += x.T @ x

    def solve(self, linear: nn.Linear, sparsity: float, block: int = 128) -> None:
        weight, hessian = linear.weight.float(), self.total
        diagonal = hessian.diagonal()
        dead = diagonal == 0
        diagonal[dead] = 1
        weight[:, dead] = 0
        diagonal += 0.01 * diagonal.mean()
        factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
        for start in range(0, weight.shape[1], block):
            stop = min(start + block, weight.shape[1])
            inner, u = weight[:, start:stop].clone(), factor[start:stop, start:stop]
            score = inner**2 / u.diagonal() ** 2
            mask = score <= score.flatten().sort().values[int(score.numel() * sparsity)]
            errors = torch.zeros_like(inner)
            for i in range(stop - start):
                kept = inner[:, i].clone()
                kept[mask[:, i]] = 0
                errors[:, i] = (inner[:, i] - kept) / u[i, i]
                inner[:, i:] -= errors[:, i : i + 1] @ u[i : i + 1, i:]
                inner[:, i] = kept
            weight[:, start:stop] = inner
            weight[:, stop:] -= errors @ factor[start:stop, stop:]
        linear.weight.data.copy_(weight)


STATISTICS = {"wanda": Norms, "sparsegpt": Hessian}


class _Stop(Exception):
    pass


def capture(model: nn.Module, tokens: Tensor) -> tuple[list[Tensor], list[dict]]:
    """What enters the first layer for each window, and the keyword arguments of each layer, which are those of the
    first window for all.
    """
    layers, arguments, inputs = decoder(model).layers, [], []
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, kwargs: arguments.append(kwargs), with_kwargs=True)
        for layer in layers
    ]
    decoder(model)(input_ids=tokens[:1], use_cache=False)
    for hook in hooks:
        hook.remove()

    def stop(_, args: tuple) -> None:
        inputs.append(args[0])
        raise _Stop

    hook = layers[0].register_forward_pre_hook(stop)
    for window in tokens.split(1):
        with contextlib.suppress(_Stop):
            decoder(model)(input_ids=window, use_cache=False)
    hook.remove()
    return inputs, arguments


@torch.no_grad()
def prune(model: nn.Module, tokens: Tensor, method: str, sparsity: float = 0.5) -> None:
    """Prune every linear of every decoder layer in place."""
    hidden, arguments = capture(model, tokens)
    for layer, kwargs in zip(decoder(model).layers, arguments, strict=True):
        statistics = {name: STATISTICS[method](linear) for name, linear in linears(layer)}
        hooks = [
            linear.register_forward_hook(lambda _, args, __, statistic=statistics[name]: statistic.add(args[0]))
            for name, linear in linears(layer)
        ]
        for states in hidden:
            layer(states, **kwargs)
        for hook in hooks:
            hook.remove()
        for name, linear in linears(layer):
            statistics[name].solve(linear, sparsity)
        hidden = [layer(states, **kwargs) for states in hidden]
