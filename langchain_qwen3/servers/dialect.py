"""`Dialect`, the class of every server's row, and the small classes of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langchain_qwen3.profiles import ModelLine

Path = tuple[str, ...]
"""Place of a value in a request body or a reply: `("chat_template_kwargs", "enable_thinking")`."""

ChoicePolicy = Literal[
    "honoured", "by_format", "required_by_format", "named_ignored", "ignored", "refused", "refused_thinking"
]
"""How a server treats a forced tool choice.

`honoured`: all forms work. `by_format`: only through a JSON format, see `request.tool_choice` (llama.cpp).
`required_by_format`: a named choice works, and `required` only through such a format (llama-cpp-python).
`named_ignored`: a named choice acts as auto. `ignored`: every choice acts as auto. `refused`: any choice except auto
and none is an error. `refused_thinking`: a forced choice is an error while thinking.
"""

KWARGS = "chat_template_kwargs"
BOTH_KEYS = ("reasoning_content", "reasoning")


def frozen(**items: Any) -> Mapping[str, Any]:
    """Return a read-only mapping."""
    return MappingProxyType(items)


def words(*texts: str) -> frozenset[str]:
    """Return the words of texts, such as the names of many fields."""
    return frozenset(" ".join(texts).split())


WHOLE_REPLY = "stream=false"
"""What a model refuses that answers in streams only, among the names of refused fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Identifies a server by its reply to `/v1/models`; every condition that is set must match."""

    row: Mapping[str, Any] = field(default_factory=frozen)
    """Keys and values that an entry of the list must have; `...` means any value, None that the key is absent."""

    header: tuple[str, str] | None = None
    """Name of a response header, in lower case, and a regular expression that matches the start of its value."""

    def __post_init__(self) -> None:
        """Reject an empty sign, which would match every server."""
        if not self.row and self.header is None:
            raise ValueError("a sign needs a row or a header")

    def matches_row(self, row: Mapping[str, Any]) -> bool:
        """Return whether an entry of the list matches."""
        return all(
            key not in row if value is None else key in row and value in (..., row[key])
            for key, value in self.row.items()
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A path that identifies the server when `/v1/models` does not."""

    path: str
    """Path below the server's root, beside `/v1`."""

    holds: tuple[Path, ...] = ()
    """Places in the JSON reply, at least one of which must exist; every item of a list on the path is searched."""

    value: str | None = None
    """Required value at the place, None for any value."""

    exact: bool = False
    """Whether the reply has no other keys than those."""

    owner: str | None = None
    """Regular expression for `owned_by`, a blank and the `id` of every listed model that has an owner."""

    status: int = 200
    """HTTP status of the reply. 405 means that the path exists for POST, unless the server answers so everywhere."""

    describes_model: bool = False
    """Whether the reply describes the only model of the server; then it is also requested for what the list omits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounting:
    """How a server counts tokens."""

    chat_path: str
    """Path that counts the prompt tokens of a chat."""

    chat_path_at_root: bool = True
    """Whether the path is beside `/v1` rather than below it."""

    whole_body: bool = False
    """Whether the path takes the complete chat request; else only the fields that shape the prompt."""

    history_key: str | None = None
    """The only key from which this path reads earlier reasoning, if chats accept other keys."""

    effort: Literal["field", "switch"] | None = None
    """How the effort is sent: as a field of its own, or as a template switch."""

    text_path: str = "/tokenize"
    """Path beside `/v1` that tokenizes plain text."""

    text_field: str = "prompt"
    """Field of the text."""

    special_field: str = "add_special_tokens"
    """Field that, when false, stops the server from adding special tokens."""

    names_model: bool = True
    """Whether the model's name is sent with the text."""


@dataclass(frozen=True, slots=True)
class ConstraintForm:
    """The field of a constraint, and its notation."""

    path: Path
    notation: Literal["as_is", "alternatives", "gbnf"] = "as_is"
    """`alternatives`: choices as one regular expression. `gbnf`: choices as a llama.cpp grammar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server's spelling of everything OpenAI's API does not define, and its peculiarities."""

    # -- what it is --------------------------------------------------------------------------------------------------

    name: str
    """The value of `ChatQwen3(server=...)`."""

    title: str
    """The server's display name."""

    evidence: str
    """How the row's facts are known, and for which version; the row's docstring lists the exceptions."""

    aliases: tuple[str, ...] = ()
    """Other values of `server=`: forks and wrappers of this server that need no row of their own."""

    kind: Literal["engine", "hosted", "gateway", "unknown"] = "engine"
    """`engine`: you start it. `hosted`: a service. `gateway`: another server answers behind it. `unknown`: a guess."""

    start: str = ""
    """Command that starts the server so that everything in its row works; empty for servers that others start."""

    forwarding_note: str = ""
    """What a gateway does with the thinking switch before the server behind it, and the workaround, in one line."""

    # -- detection ---------------------------------------------------------------------------------------------------

    hosts: tuple[str, ...] = ()
    """Regular expressions for the whole host name of a hosted service."""

    owned_by: tuple[str, ...] = ()
    """Values of `data[].owned_by` in `/v1/models` that identify the server."""

    signs: tuple[Sign, ...] = ()
    """Other signs in the reply of `/v1/models`, any of which identifies the server."""

    probe: Probe | None = None
    """The path to request when `/v1/models` does not identify the server."""

    providers: Mapping[str, str] = field(default_factory=frozen)
    """Suffix of a model's name after the colon → name of the row of the provider that then answers."""

    version: tuple[str, str] | None = None
    """Path below the root, and key of the JSON reply that holds the version."""

    api_key_variable: str | None = None
    """Environment variable of the API key, read only for this server's hosts, after `$QWEN_API_KEY`."""

    # -- thinking ----------------------------------------------------------------------------------------------------

    thinking: tuple[Path, ...] = ((KWARGS, "enable_thinking"),)
    """Paths of the thinking switch as a boolean."""

    thinking_word: tuple[Path, str, str] | None = None
    """The thinking switch as a word instead: path, word for on, word for off."""

    thinking_default: bool | None = None
    """Whether hybrid models think on this server when no switch is sent; None: as the model's template says."""

    budget: Path | None = None
    """Path of the thinking budget in tokens, None when the server has none."""

    budget_range: tuple[int, int | None] = (0, None)
    """Smallest and largest budget the server takes. If 0 is below the smallest, a budget of 0 switches thinking off."""

    effort: Path | None = ("reasoning_effort",)
    """Path of the reasoning effort, None when the server has none."""

    effort_for_all: bool = False
    """Whether every model takes an effort; else only models whose template knows the word."""

    effort_words: Mapping[str, str] = field(default_factory=frozen)
    """The model's word for an effort → the server's word, where they differ."""

    preserve: Path | None = (KWARGS, "preserve_thinking")
    """Path of the `preserve_thinking` template switch, None when the server has none."""

    return_reasoning: Path | None = None
    """Path of the flag that requests the reasoning, for pods that only send it on request."""

    budget_excludes_effort: bool = False
    """Whether budget and effort together are an error."""

    stream_when_thinking: bool = False
    """Whether a non-streamed reply is refused or risky while thinking, so that a stream is requested instead.

    The same services refuse it for every Omni model."""

    # -- history -----------------------------------------------------------------------------------------------------

    history_keys: tuple[str, ...] = BOTH_KEYS
    """Keys under which earlier reasoning is sent back; empty if the server drops or refuses it."""

    own_templates: bool = False
    """The server renders prompts with its own templates, which accept one system message, at the front."""

    reasoning_details: bool = False
    """Whether earlier `reasoning_details` are sent back unchanged."""

    cache_control: bool = False
    """Whether text parts may have `cache_control`."""

    continues_assistant: bool = False
    """Whether a final assistant message is continued; else a new turn begins after it."""

    # -- parameters --------------------------------------------------------------------------------------------------

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Field of the token limit."""

    sampling_names: Mapping[str, str] = field(default_factory=frozen)
    """Our names of sampling fields → the server's, where they differ."""

    extra: Mapping[str, Any] = field(default_factory=frozen)
    """Fields sent with every request to a model that can think; the user's values take precedence."""

    unsupported: frozenset[str] = frozenset()
    """Payload fields the server refuses or ignores; they are never sent, with one warning."""

    strict_fields: bool = False
    """Whether unknown body fields are an error; then only OpenAI's fields and `own_fields` are sent."""

    own_fields: frozenset[str] = frozenset()
    """Body fields the server takes beyond OpenAI's: allowed as keywords of a call, and sent to strict servers."""

    # -- tools and formats -------------------------------------------------------------------------------------------

    tool_choice: ChoicePolicy = "honoured"
    """How a forced tool choice is treated, see `ChoicePolicy`."""

    free_arguments: bool = False
    """Whether a call's arguments may differ from their schema, even of a forced call, unless the tool has `strict`."""

    builtin_tools: bool = True
    """Whether tools that are not functions (`{"type": "web_search"}`) may be sent; else dropped with a warning."""

    structured_method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema"
    """The default method of `with_structured_output`."""

    response_format: Literal["openai", "value", "schema_only", "object_schema"] = "openai"
    """`openai`: OpenAI's form. `value`: the schema is under that key. `schema_only`: no `json_object`.
    `object_schema`: no `json_schema`; a `json_object` contains the schema."""

    constraints: Mapping[str, ConstraintForm] = field(default_factory=frozen)
    """Kind of `constraint=` → its field. A missing kind cannot be sent; a missing `json` goes as `response_format`."""

    format_silences_tools: bool = False
    """Whether a JSON `response_format` constrains every reply, so that no tool is ever called."""

    json_refused_thinking: bool = False
    """Whether a JSON `response_format` is an error while thinking."""

    # -- replies -----------------------------------------------------------------------------------------------------

    repeats_open_tag: bool = False
    """Whether replies without a parser repeat the `<think>` that ends the prompt, so no closing tag comes alone."""

    # -- media -------------------------------------------------------------------------------------------------------

    audio: Literal["base64", "audio_url", "data_uri"] = "base64"
    """How audio is sent: `base64` (OpenAI's `input_audio`, no URLs); `audio_url` (URLs and data URIs); `data_uri`
    (URLs and data URIs in `input_audio`)."""

    media_kinds: frozenset[str] = frozenset({"image", "video", "audio"})
    """Kinds of media parts the server takes."""

    base64_media_only: bool = False
    """Whether media must be base64 data because URLs are refused."""

    media_in_results: bool = True
    """Whether a tool's result may hold media; if not, a user's message behind the results does."""

    files: bool = False
    """Whether `file` parts (PDF) are taken."""

    media_settings: Literal["part", "mm_processor_kwargs", "video_url", "unknown"] | None = None
    """Where the server reads `fps`, `min_pixels` and the like: `part` (beside the part's data), `mm_processor_kwargs`
    (once per request), `video_url` (those of a video's frames, beside its URL), `unknown` (sent in the part, with a
    warning), None (nowhere)."""

    video_frames: Literal["list", "jpeg"] | None = None
    """Whether a video may be a list of frames: `list` (URLs or data), `jpeg` (data only), None (no)."""

    # -- around the requests -----------------------------------------------------------------------------------------

    token_counting: TokenCounting | None = None
    """How the server counts tokens, None when it cannot."""

    idle_connections_hold_threads: bool = False
    """Whether idle keep-alive connections occupy the server's HTTP threads."""

    refusal: str | None = None
    """Regular expression for an error about an unknown field, if the error identifies the server."""

    refused: frozenset[str] = frozenset()
    """Fields and settings that this server was found to refuse; set only on copies made by `without`."""

    flags: Mapping[str, str] = field(default_factory=frozen)
    """Setting or feature → the server's start flag for it, or a workaround."""

    @property
    def has_thinking_switch(self) -> bool:
        """Whether thinking can be switched on and off."""
        return bool(self.thinking or self.thinking_word)

    @property
    def setting_paths(self) -> tuple[Path, ...]:
        """The paths of all thinking settings, in the server's own spelling."""
        word = self.thinking_word[:1] if self.thinking_word else ()
        paths = (*self.thinking, *word, self.budget, self.effort, self.preserve, self.return_reasoning)
        return tuple(path for path in paths if path)

    def without(self, names: frozenset[str]) -> Dialect:
        """Return a copy for a server that refuses some fields: they are not sent, and not warned about again.

        Args:
            names: Fields, keys of messages, and paths such as `chat_template_kwargs.enable_thinking`.
        """

        def keep(path: Path | None) -> Path | None:
            return None if path and not names.isdisjoint((path[0], ".".join(path))) else path

        word = self.thinking_word
        row = replace(
            self,
            thinking=tuple(path for path in self.thinking if keep(path)),
            thinking_word=word if word and keep(word[0]) else None,
            budget=keep(self.budget),
            effort=keep(self.effort),
            preserve=keep(self.preserve),
            return_reasoning=keep(self.return_reasoning),
            history_keys=tuple(key for key in self.history_keys if key not in names),
            reasoning_details=self.reasoning_details and "reasoning_details" not in names,
            cache_control=self.cache_control and "cache_control" not in names,
            extra={name: value for name, value in self.extra.items() if name not in names},
            unsupported=self.unsupported | names,
        )
        lost = {
            "enable_thinking": self.has_thinking_switch and not row.has_thinking_switch,
            "thinking_budget": self.budget and not row.budget,
            "reasoning_effort": self.effort and not row.effort,
            "preserve_thinking": self.preserve and not row.preserve,
        }
        return replace(row, refused=self.refused | names | {name for name, is_lost in lost.items() if is_lost})

    def adapt_line(self, line: ModelLine | None) -> ModelLine | None:
        """Return a model's line as this server serves it: with its own default of thinking, and its own templates."""
        if line is None:
            return None
        default = line.thinking_default
        if self.thinking_default is not None and line.thinking == "hybrid":
            default = self.thinking_default
        late_system = line.late_system and not self.own_templates
        if (default, late_system) == (line.thinking_default, line.late_system):
            return line
        return replace(line, thinking_default=default, late_system=late_system)
