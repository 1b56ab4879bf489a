"""Mistakes that type checkers must find: each line that is wrong says so."""

from __future__ import annotations

import langchain_qwen3
from langchain_qwen3 import ChatQwen3

ChatQwen3(model="q", server="vlm")  # WRONG
ChatQwen3(model="q", enable_thinkin=True)  # WRONG
ChatQwen3(model="q", max_tokens="many")  # WRONG
ChatQwen3(model="q", sampling="recomended")  # WRONG
ChatQwen3(model=3)  # WRONG
ChatQwen3(model="q").with_structured_output(dict, method="xml")  # WRONG
ChatQwen3(model="q", tiktoken_model_name="gpt-4o")  # WRONG
ChatQwen3(model="q", output_version="responses/v1")  # WRONG
ChatQwen3(model="q").with_retry(stop_after_attempts=3)  # WRONG
ChatQwen3(model="q").with_retry(stop_after_attempt="3")  # WRONG
ChatQwen3(model="q").with_listeners(on_finish=print)  # WRONG
ChatQwen3(model="q").with_alisteners(on_finish=print)  # WRONG
ChatQwen3(model="q").with_fallbacks([]).with_config(tags=["a"]).with_retry(attempts=3)  # WRONG
ChatQwen3(model="q").with_structured_output(dict, include_raw="yes")  # WRONG
langchain_qwen3.ChatQwen(model="q")  # WRONG
