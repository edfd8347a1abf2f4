"""A small GGUF file: a Qwen 2 of random weights, whose layout is that of transformers, with a tokenizer of bytes."""

from pathlib import Path

import gguf
import numpy as np
from byte_tokenizer import TOKENIZER
from tiny_models import tiny

LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
} | {f"self_attn.{x}_proj.{kind}": f"attn_{x}.{kind}" for x in "qkv" for kind in ("weight", "bias")}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def name_in_gguf(name: str) -> str:
    if name.startswith("model.layers."):
        _, _, number, rest = name.split(".", 3)
        return f"blk.{number}.{LAYER[rest]}"
    return TOP[name.removesuffix(".weight")] + ".weight"


def write(path: Path, seed: int = 0, **more: np.ndarray):
    """Write the file, with `more` tensors in it; returns the model."""
    model = tiny("qwen2", seed=seed, num_hidden_layers=2)
    config = model.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    pieces = sorted(TOKENIZER.get_vocab(), key=TOKENIZER.get_vocab().get)
    pieces += ["ab"] + [f"<{number}>" for number in range(len(pieces) + 1, config.vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(pieces)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(256)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(name_in_gguf(name), tensor.numpy())
    for name, array in more.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model
