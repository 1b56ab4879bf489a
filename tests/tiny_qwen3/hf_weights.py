"""The GGUF's weights for vLLM and transformers: qwen3-tiny-f16.gguf -> hf/model.safetensors.

Kept out of the repository, since they are the same numbers. Needs gguf, numpy and safetensors.
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from safetensors.numpy import save_file

HERE = Path(__file__).parent
GGUF_FILE = HERE / "qwen3-tiny-f16.gguf"
HF = HERE / "hf"

NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""The parts of the model and of one of its layers, in transformers and in GGUF."""


def build_names(layers: int) -> dict[str, str]:
    """Return the GGUF name of every tensor by its transformers name."""
    names = {f"{hf}.weight": f"{gguf}.weight" for hf, gguf in NAMES.items()}
    for layer in range(layers):
        for hf, gguf in LAYER_NAMES.items():
            names[f"model.layers.{layer}.{hf}.weight"] = f"blk.{layer}.{gguf}.weight"
    return names


def main() -> None:
    """Write the weights in half precision, the one they have in the GGUF."""
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(GGUF_FILE).tensors}
    layers = json.loads((HF / "config.json").read_text())["num_hidden_layers"]
    weights = {hf: np.asarray(tensors[gguf], dtype=np.float16) for hf, gguf in build_names(layers).items()}
    save_file(weights, HF / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
