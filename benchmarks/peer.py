"""llm-compressor as the other side: the same tokens through `oneshot`, which walks the decoder layer by layer as this
package does.
"""

import importlib.util
import tempfile

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

NAME = "llmcompressor"


def why_not() -> str:
    """Why it cannot be measured; empty where it can."""
    return "" if importlib.util.find_spec(NAME) else f"{NAME} is not installed"


def run(model: nn.Module, tokens: Tensor, method: str, bits: int, group_size: int) -> None:
    """SparseGPT to 50%, or GPTQ, of all linears but the output layer, in place; wraps the layers, so that the model is
    of no use afterwards.
    """
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.pruning import SparseGPTModifier
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    everywhere = {"targets": ["Linear"], "ignore": ["re:.*lm_head"]}
    if method == "sparsegpt":
        recipe = SparseGPTModifier(sparsity=0.5, **everywhere)
    else:
        weights = {"num_bits": bits, "type": "int", "symmetric": True, "strategy": "group", "group_size": group_size}
        recipe = GPTQModifier(
            config_groups={"group_0": {"targets": ["Linear"], "weights": weights}}, ignore=everywhere["ignore"]
        )
    windows = DataLoader(
        [{"input_ids": window, "attention_mask": torch.ones_like(window)} for window in tokens.cpu()], batch_size=1
    )
    # asked for, although the tokens are there
    unused = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"x": 0}, "x")))
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        model.name_or_path = model.config._name_or_path = folder  # where the configuration is looked up
        oneshot(model=model, dataset=windows, processor=unused, recipe=recipe, pipeline="sequential")
