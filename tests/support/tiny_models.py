"""Random models of every supported architecture, small enough to be run hundreds of times."""

import torch
import transformers as hf

SHARED = {
    "vocab_size": 260,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "pad_token_id": None,
    "bos_token_id": 256,
    "eos_token_id": None,
}

CONFIGS = {
    "llama": lambda **more: hf.LlamaConfig(**SHARED | more),
    "cohere": lambda **more: hf.CohereConfig(**SHARED | {"logit_scale": 0.25} | more),
    "cohere2": lambda **more: hf.Cohere2Config(**SHARED | {"num_hidden_layers": 4, "sliding_window": 8} | more),
    "gemma3_text": lambda **more: hf.Gemma3TextConfig(
        **SHARED | {"num_hidden_layers": 6, "sliding_window": 8, "head_dim": 8} | more
    ),
    "qwen2": lambda **more: hf.Qwen2Config(**SHARED | more),
    "qwen3": lambda **more: hf.Qwen3Config(**SHARED | {"head_dim": 8} | more),
    "mistral": lambda **more: hf.MistralConfig(**SHARED | {"sliding_window": 8} | more),
}


def tiny(family: str, seed: int = 0, dtype: torch.dtype = torch.float32, **changes):
    """A random model in evaluation mode; norms' weights are random as well, so that none of them can be left out
    unnoticed.
    """
    torch.manual_seed(seed)
    model = hf.AutoModelForCausalLM.from_config(CONFIGS[family](**changes), dtype=dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.normal_(std=0.2)
    return model.eval().requires_grad_(False)


def some_tokens(samples: int = 5, length: int = 24, seed: int = 1, vocabulary: int = 256) -> torch.Tensor:
    """Random windows, BOS first."""
    tokens = torch.randint(0, vocabulary, (samples, length), generator=torch.Generator().manual_seed(seed))
    tokens[:, 0] = 256
    return tokens
