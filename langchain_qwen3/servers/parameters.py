"""Body fields that each server takes beyond OpenAI's: a call may pass them as keywords.

The lists need not be complete: `extra_body` takes any field for any server.
"""

from __future__ import annotations

from langchain_qwen3.servers.dialect import words

_PROMPT = "add_generation_prompt chat_template_kwargs continue_final_message"
_SAMPLING = "min_p repetition_penalty top_k"


VLLM = words(
    _PROMPT,
    _SAMPLING,
    """
    add_special_tokens allowed_token_ids bad_words cache_salt chat_template documents echo ignore_eos
    include_reasoning include_stop_str_in_output kv_transfer_params length_penalty logits_processors
    max_repetition_pattern_size media_io_kwargs min_repetition_pattern_size min_tokens mm_processor_kwargs priority
    prompt_logprobs repetition_min_count request_id return_token_ids return_tokens_as_token_ids skip_special_tokens
    spaces_between_special_tokens stop_token_ids structured_outputs thinking_token_budget truncate_prompt_tokens
    use_beam_search vllm_xargs
    """,
)
"""`ChatCompletionRequest` in https://github.com/vllm-project/vllm, `entrypoints/openai/chat_completion/protocol.py`.
The older `guided_*` fields are left out: vLLM silently ignores them since 0.12."""

SGLANG = words(
    _PROMPT,
    _SAMPLING,
    """
    bootstrap_host bootstrap_port bootstrap_room cache_salt custom_logit_processor custom_params data_parallel_rank
    disagg_prefill_dp_rank ebnf extra_key ignore_eos images_config input_ids lora_path max_dynamic_patch
    min_dynamic_patch min_tokens ngram_corpus_id no_stop_trim priority regex return_cached_tokens_details
    return_hidden_states return_meta_info return_prompt_token_ids return_routed_experts return_token_ids rid
    routed_dp_rank routed_experts_start_len separate_reasoning session_id session_params skip_special_tokens
    stop_regex stop_token_ids stream_reasoning use_audio_in_video
    """,
)
"""`ChatCompletionRequest` in https://github.com/sgl-project/sglang, `srt/entrypoints/openai/protocol.py`."""

LLAMA_CPP = words(
    _PROMPT,
    """
    adaptive_decay adaptive_target backend_sampling cache_prompt dry_allowed_length dry_base dry_multiplier
    dry_penalty_last_n dry_sequence_breakers dynatemp_exponent dynatemp_range grammar id_slot ignore_eos json_schema
    lora min_keep min_p mirostat mirostat_eta mirostat_tau n_cache_reuse n_discard n_indent n_keep n_predict n_probs
    parse_tool_calls post_sampling_probs reasoning_budget_tokens reasoning_format repeat_last_n repeat_penalty
    response_fields return_progress return_tokens samplers t_max_predict_ms thinking_budget_tokens
    thinking_forced_open timings_per_token top_k top_n_sigma typical_p xtc_probability xtc_threshold
    """,
)
"""`/completion` and `/v1/chat/completions` in https://github.com/ggml-org/llama.cpp, `tools/server/README.md`."""

LM_STUDIO = words("draft_model min_p repeat_penalty top_k ttl")
"""https://lmstudio.ai/docs/developer/openai-compat/chat-completions."""

DASHSCOPE = words(
    """
    enable_code_interpreter enable_search enable_thinking preserve_thinking repetition_penalty search_options
    thinking_budget tool_stream top_k translation_options use_multichannel vl_high_resolution_images
    """
)
"""Model Studio's reference of its OpenAI-compatible chat API."""

OPENROUTER = words(
    _SAMPLING,
    """
    cache_control include_reasoning models plugins preset provider reasoning route session_id structured_outputs top_a
    trace transforms usage
    """,
)
"""https://openrouter.ai/docs/api-reference/parameters."""

SILICONFLOW = words("enable_thinking min_p thinking_budget top_k")
"""SiliconFlow's reference of `/v1/chat/completions`."""
