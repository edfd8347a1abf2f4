"""Layer-wise pruning as the methods' papers describe it, without any of this package's shortcuts: the other side of the ratios.

One hook and one float32 statistic for every linear, two full passes over each layer, a full sort for every threshold, three steps to the
inverse factor, and a Python loop over columns. Windows pass one at a time, as in the published code.
"""

import torch
from torch import Tensor, nn

from calibprune.families import decoder, linears
from calibprune.layerwise import capture


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


@torch.no_grad()
def prune(model: nn.Module, tokens: Tensor, method: str, sparsity: float = 0.5) -> None:
    """Prune every linear of every decoder layer in place."""
    inputs = capture(model, tokens, batch_tokens=tokens.shape[1])
    for index, layer in enumerate(decoder(model).layers):
        statistics = {name: STATISTICS[method](linear) for name, linear in linears(layer)}
        hooks = [
            linear.register_forward_hook(lambda _, args, __, statistic=statistics[name]: statistic.add(args[0])) for name, linear in linears(layer)
        ]
        for batch in range(len(inputs.hidden)):
            inputs.run(layer, index, batch)
        for hook in hooks:
            hook.remove()
        for name, linear in linears(layer):
            statistics[name].solve(linear, sparsity)
        for batch in range(len(inputs.hidden)):
            inputs.hidden[batch] = inputs.run(layer, index, batch)
