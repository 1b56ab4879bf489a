"""Binds settings, tools and a schema to a model, or to several, in any order and without losing one of them.

    single     one model: what is bound to it, and fields that a config chooses
    several    fallbacks, and alternatives between which a config chooses: what is bound is bound to each

Core's `RunnableBinding` and its configurable runnables forward `bind_tools` and `with_structured_output` to the bare
model, so earlier bindings and the choice of a config are lost
(https://github.com/langchain-ai/langchain/issues/30983). Here both bind to the object they are called on.
"""

from langchain_qwen3.binding.single import Bindable, BoundChatQwen3, ConfigurableChatQwen3, StructuredReply

__all__ = ["Bindable", "BoundChatQwen3", "ConfigurableChatQwen3", "StructuredReply"]
