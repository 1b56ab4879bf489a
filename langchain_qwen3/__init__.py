"""ChatQwen3: the LangChain chat model for Qwen3 on vLLM, SGLang, llama.cpp, Ollama, DashScope and GPU pods."""

from langchain_qwen3.chat_model import ChatQwen3
from langchain_qwen3.notices import UnsupportedSettingWarning

__all__ = ["ChatQwen3", "UnsupportedSettingWarning"]
