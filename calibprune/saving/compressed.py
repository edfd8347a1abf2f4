"""Rounded weights as packed codes: the `pack-quantized` format of compressed-tensors, which transformers and vLLM load.

A linear of the decoder becomes `weight_packed` (int32 [out, ceil(in · bits / 32)], codes without gaps), `weight_scale`
([out, groups], the model's dtype), `weight_shape` and, where the grid is not symmetric, `weight_zero_point` (int32,
packed along the rows). Everything else is stored as it is. Packing and unpacking are the library's own.

What loads, with compressed-tensors 0.20 and transformers 5.23: grids of 1 to 8 bits, symmetric or not, with every group
size that divides the width. One thing the library packs and cannot unpack: zero points of 4 bits of a matrix with at
most eight rows, which fill a single word; such a matrix is stored densely. The configuration asks transformers to
unpack while it loads (`dequantize`): the weights are then those of the model that was saved, bit by bit, in its dtype
or a finer one, and the model is an ordinary one that can be run, pruned and saved. What is saved is room on the disk.
Without that request, transformers unpacks at the first forward pass, cannot load zero points at all (the library gives
the packed ones a wrong shape), and a dtype finer than the saved one yields finer weights. vLLM keeps the codes packed;
its sources take symmetric grids of 2 to 8 bits, others of 4 and 8, where one of its kernels has the group size (Marlin
has 32, 64 and 128).

There is no packed form for zeros. compressed-tensors had one for 2:4 ("sparse-24-bitmask") and dropped it after 0.14,
and transformers and vLLM (in 0.19, which refuses what declares it) with it. A 2:4-sparse model is therefore stored
densely, which everything loads, or pruned and rounded at once (method "sparsegpt" with bits) and packed like any other
grid: zero is a level of every grid, so that the pattern stays.
"""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calibprune.errors import ModelError, ParameterError
from calibprune.methods import Quantized
from calibprune.schemes import BITS, Grid
from calibprune.walk.layerwise import PruneResult

WORD = 32  # bits that codes are packed into
DENSE, PACKED = FORMATS = ("dense", "compressed-tensors")


class Compressed(NamedTuple):
    """A model's state with packed codes in place of rounded weights, and the `quantization_config` that tells how to
    read it.
    """

    state: dict[str, Tensor]
    config: Any

    def write(self, folder: Path, model) -> None:
        """Weights and configuration into `folder`, like `model.save_pretrained`; the model in memory stays as it is."""
        model.save_pretrained(folder, state_dict=dict(self.state))
        declare(folder, self.config)


def declare(folder: Path, config: Any) -> None:
    """Add a `quantization_config` to the configuration in `folder`."""
    from compressed_tensors.compressors import ModelCompressor

    ModelCompressor(quantization_config=config).update_config(str(folder))
    file = folder / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["quantization_config"]["dequantize"] = True
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def check(grid: Grid | None) -> None:
    """Whether weights on this grid can be packed, to be asked before the work of rounding them.

    Raises:
        ModelError: compressed-tensors is not installed.
        ParameterError: no grid, or one of so many bits that the library cannot pack.
    """
    if grid is None:
        raise ParameterError(
            f"format {PACKED} packs rounded weights, and zeros take as much room as other numbers: round "
            f"them too (bits), or save as {DENSE}"
        )
    _scheme(grid)


@torch.no_grad()
def compress(model: nn.Module, result: PruneResult) -> Compressed:
    """The rounded weights of a model as packed codes.

    Args:
        model: as `quantize`, or `prune` with bits, left it; it is read only.
        result: what that function returned.

    Raises:
        ModelError: compressed-tensors is not installed, or weights are no longer on their grid (changed, or cast, since
        they were rounded). ParameterError: as `check`.
    """
    check(result.grid)
    state = model.state_dict()
    packed = pack(state, result, model.base_model_prefix)
    return Compressed(state, configuration(model, packed, result.grid))


def configuration(model: nn.Module, packed: Container[str], grid: Grid) -> Any:
    """The `quantization_config` of a model whose linears of these names are packed codes."""
    from compressed_tensors.quantization import QuantizationConfig

    scheme = _scheme(grid)
    left = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and name not in packed]
    return QuantizationConfig(
        config_groups={"group_0": scheme}, format=scheme.format, quantization_status="compressed", ignore=left
    )


@torch.no_grad()
def pack(state: dict[str, Tensor], result: PruneResult, prefix: str) -> list[str]:
    """Put packed codes in the place of rounded weights, in `state` itself.

    Args:
        state: parameters by name; all linears that the result has.
        prefix: what stands before the result's names in them, without its dot.

    Returns:
        the names of the linears that were packed.

    Raises:
        ModelError: as `compress`.
    """
    from compressed_tensors.compressors import PackedQuantizationCompressor as Packing

    scheme = _scheme(result.grid)
    names = {
        f"{prefix}.{key}": quantized
        for key, quantized in result.quantized.items()
        if _can_be_unpacked(quantized, result.grid)
    }
    for name, quantized in names.items():
        weight = state.pop(f"{name}.weight")
        if quantized.scale.dtype != weight.dtype:
            raise ModelError(
                f"{name}: rounded in {_name(quantized.scale.dtype)}, now {_name(weight.dtype)}; save it "
                f"in the dtype it was rounded in"
            )
        offset = result.grid.levels // 2  # codes and zero points count from 0, the library's from −2^(bits−1)
        zero = (quantized.zero.to(torch.int16) - offset).to(torch.int8)
        exact = {
            "weight": _multiples(weight, quantized.scale),
            "weight_scale": quantized.scale.float(),
            "weight_zero_point": zero,
        }
        packed = Packing.compress(exact, scheme) | {"weight_scale": quantized.scale}
        if not torch.equal(Packing.decompress(packed, scheme)["weight"], weight):
            raise ModelError(
                f"{name}: weights are not on their {result.grid.pattern} grid; save the model as it was "
                f"rounded, unchanged"
            )
        state |= {f"{name}.{part}": tensor for part, tensor in packed.items()}
    return list(names)


def _can_be_unpacked(quantized: Quantized, grid: Grid) -> bool:
    """Whether the library reads back what it packs.

    It views packed zero points of 4 bits as bytes, after a transposition that leaves a single word without the strides
    which that needs.
    """
    rows, groups = quantized.zero.shape
    return grid.symmetric or grid.bits != 4 or rows * grid.bits > WORD or groups == 1


def _multiples(weight: Tensor, scale: Tensor) -> Tensor:
    """The whole multiples of their scale, float32, that weights [out, in] were before they were rounded to their dtype;
    scale [out, groups].

    The nearest one may be a neighbour: bfloat16 moves the outer levels of an 8-bit grid by almost a step. Rounding
    keeps the order, so that the sign of what is missing says which neighbour it is.
    """
    weight, scale, dtype = weight.float().unflatten(1, (scale.shape[1], -1)), scale.float().unsqueeze(2), weight.dtype
    steps = torch.round(weight / scale)
    steps += torch.sign(weight - (steps * scale).to(dtype).float())
    return (steps * scale).flatten(1)


def _scheme(grid: Grid):
    """The library's description of a grid."""
    try:
        from compressed_tensors.compressors import PackedQuantizationCompressor
        from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    except ImportError:
        raise ModelError(
            f'format {PACKED}: the package {PACKED} is not installed; run pip install "calibprune[export]"'
        ) from None

    def scheme(bits: int):
        order = "weight" if grid.act_order else None  # groups stay neighbours, so that no index of them is stored
        weights = QuantizationArgs(
            num_bits=bits,
            type="int",
            strategy="group",
            group_size=grid.group_size,
            symmetric=grid.symmetric,
            actorder=order,
        )
        return QuantizationScheme(targets=["Linear"], weights=weights, format="pack-quantized")

    if not PackedQuantizationCompressor.can_compress(nn.Linear, scheme(grid.bits)):
        able = [bits for bits in BITS if PackedQuantizationCompressor.can_compress(nn.Linear, scheme(bits))]
        raise ParameterError(
            f"bits {grid.bits}: format {PACKED} packs {', '.join(map(str, able))} bits; choose one of "
            f"them, or save as {DENSE}"
        )
    return scheme(grid.bits)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
