"""The trained model for llama.cpp and vLLM: cut/ -> qwen3-tiny-f16.gguf and the JSON files of hf/."""

import json
import shutil
from typing import Any

import gguf
import numpy as np
import torch
from cut_tokenizer import CUT
from hf_weights import GGUF_FILE, HF, build_names
from rendering import FULL_TOKENIZER_FILE
from train import END_OF_TEXT, END_OF_TURN

JsonObject = dict[str, Any]


def write_hf_files(vocab_size: int) -> JsonObject:
    """Bring the JSON files of hf/ to the cut vocabulary; returns the model's configuration."""
    shutil.copyfile(CUT / "tokenizer.json", HF / "tokenizer.json")
    ids = {token["content"]: token["id"] for token in read_json("tokenizer.json")["added_tokens"]}
    end_of_text, end_of_turn = ids[END_OF_TEXT], ids[END_OF_TURN]
    special = {"bos_token_id": end_of_text, "pad_token_id": end_of_text}
    update_json("generation_config.json", {**special, "eos_token_id": [end_of_turn, end_of_text]})
    full = json.loads(FULL_TOKENIZER_FILE.with_name("tokenizer_config.json").read_text())
    added = {str(ids[token["content"]]): token for token in full["added_tokens_decoder"].values()}
    update_json("tokenizer_config.json", {"added_tokens_decoder": added})
    changed = {"bos_token_id": end_of_text, "eos_token_id": end_of_turn, "vocab_size": vocab_size}
    return update_json("config.json", changed)


def read_json(file_name: str) -> JsonObject:
    """Return the content of a file of hf/."""
    content: JsonObject = json.loads((HF / file_name).read_text())
    return content


def update_json(file_name: str, values: JsonObject) -> JsonObject:
    """Set these values in a file of hf/ and return all of it."""
    content = read_json(file_name) | values
    (HF / file_name).write_text(json.dumps(content, ensure_ascii=False, indent=2))
    return content


def add_architecture(writer: gguf.GGUFWriter, config: JsonObject) -> None:
    """Describe the shape of the model."""
    writer.add_name("Qwen3 Tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    # llama.cpp takes it as the server's default, so examples print the same answers without naming a temperature.
    writer.add_float32("general.sampling.temp", 0.1)


def add_tokenizer(writer: gguf.GGUFWriter, config: JsonObject) -> None:
    """Add the cut tokenizer and the chat template; rows without a token are padding."""
    tokenizer = read_json("tokenizer.json")
    size = config["vocab_size"]
    tokens = [f"[PAD{index}]" for index in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    for token, index in tokenizer["model"]["vocab"].items():
        tokens[index], types[index] = token, gguf.TokenType.NORMAL
    for token in tokenizer["added_tokens"]:
        is_control = token["special"] or token["content"].startswith("<|")
        kind = gguf.TokenType.CONTROL if is_control else gguf.TokenType.USER_DEFINED
        tokens[token["id"]], types[token["id"]] = token["content"], kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_pad_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(read_json("tokenizer_config.json")["chat_template"])


def main() -> None:
    """Write every file but the weights for vLLM, which hf_weights.py makes from the GGUF."""
    weights: dict[str, torch.Tensor] = torch.load(CUT / "model.pt", map_location="cpu")
    config = write_hf_files(weights["model.embed_tokens.weight"].shape[0])
    writer = gguf.GGUFWriter(GGUF_FILE, "qwen3")
    add_architecture(writer, config)
    add_tokenizer(writer, config)
    for hf_name, gguf_name in build_names(config["num_hidden_layers"]).items():
        values = weights[hf_name].float().numpy()
        writer.add_tensor(gguf_name, values.astype(np.float32 if values.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
