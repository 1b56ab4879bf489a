"""What is known of a model and of the server it is on: dialect, token counts, profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_qwen3.fields import DEFAULT_BASE_URL, Qwen3Fields
from langchain_qwen3.profiles import build_profile
from langchain_qwen3.request.messages import MessageError
from langchain_qwen3.servers.detection import ServerFacts, alook_up, look_up, recall_facts
from langchain_qwen3.servers.dialects import GENERIC, Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import ModelProfile


class ServedModel(Qwen3Fields):
    """A model as its server has it; what its answers are read with."""

    @property
    def dialect(self) -> Dialect:
        """How the server spells things, as far as that is known without asking it."""
        facts = recall_facts(self.server, self._base_url)
        return facts.dialect if facts else GENERIC

    @property
    def _base_url(self) -> str:
        return self.openai_api_base or DEFAULT_BASE_URL

    def _detect(self) -> ServerFacts:
        """Find out what the server is, once per URL and process."""
        self._ensure_sync_client_available()
        return recall_facts(self.server, self._base_url) or look_up(self.root_client, self._base_url)

    async def _adetect(self) -> ServerFacts:
        return recall_facts(self.server, self._base_url) or await alook_up(self.root_async_client, self._base_url)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the token ids of a text, by the server or by the extra `tokenizer`.

        Raises:
            ImportError: The server cannot say and the extra is not installed.
        """
        from langchain_qwen3.tokens.counting import encode_text

        self._detect()
        return encode_text(self, text)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text: the server's count, else the local tokenizer's, else an estimate."""
        from langchain_qwen3.tokens.counting import count_text

        self._detect()
        return count_text(self, text)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Return the number of prompt tokens of a conversation, chat template and tools included.

        Args:
            messages: The conversation.
            tools: Functions, pydantic classes, LangChain tools or tool dicts.
            **kwargs: Settings of the call, such as `enable_thinking`, which changes the prompt.
        """
        from langchain_qwen3.tokens.counting import count_messages

        self._detect()
        if tools:
            kwargs["tools"] = [convert_to_openai_tool(tool) for tool in tools]
        try:
            payload = self._get_request_payload(list(messages), **kwargs)
        except MessageError:  # a piece of a conversation, as trim_messages counts it
            payload = self._get_request_payload(list(messages), **{**kwargs, "normalize_messages": False})
        return count_messages(self, payload)

    def served_profile(self) -> ModelProfile | None:
        """Return the profile with the context length that the server really serves, where it tells."""
        self._ensure_sync_client_available()
        return self._build_served_profile(look_up(self.root_client, self._base_url))

    async def aserved_profile(self) -> ModelProfile | None:
        """Do what `served_profile` does."""
        return self._build_served_profile(await alook_up(self.root_async_client, self._base_url))

    def _build_served_profile(self, facts: ServerFacts) -> ModelProfile | None:
        context = facts.contexts.get(self.model_name)
        return build_profile(self.model_name, context, server=self.dialect.name)
