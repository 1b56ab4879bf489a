"""What can be said of a server: `Dialect`, the class of every row, and the small classes of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langchain_qwen3.profiles import ModelLine

Path = tuple[str, ...]
"""Where a value goes in the request body, or stands in a reply: `("chat_template_kwargs", "enable_thinking")`."""

ChoicePolicy = Literal["honoured", "by_strict", "by_format", "named_ignored", "ignored", "refused", "refused_thinking"]
"""What becomes of a forced choice on a server.

`honoured`: all forms work. `by_strict`: they do, but only `strict` holds the arguments to their schema (vLLM 0.32,
measured). `by_format`: only by a JSON format, see `request.tool_choice` (llama.cpp). `named_ignored`: a named choice
acts as auto. `ignored`: every choice does. `refused`: anything but auto and none is an error. `refused_thinking`: an
error while thinking.
"""

KWARGS = "chat_template_kwargs"
BOTH_KEYS = ("reasoning_content", "reasoning")


def frozen(**items: Any) -> Mapping[str, Any]:
    """Return a mapping that nobody can change."""
    return MappingProxyType(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What tells a server by its reply to `/v1/models`; all that is stated must hold."""

    row: Mapping[str, Any] = field(default_factory=frozen)
    """Keys and values that a row of the list has; `...` is any value, None that the key is absent."""

    header: tuple[str, str] | None = None
    """Name of a response header, in lower case, and a regular expression that its value begins with."""

    def __post_init__(self) -> None:
        """Keep a row of the table from saying yes to every server."""
        if not self.row and self.header is None:
            raise ValueError("a sign needs a row or a header")

    def matches_row(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row of the list is such a server's."""
        return all(
            key not in row if value is None else key in row and value in (..., row[key])
            for key, value in self.row.items()
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A path that tells the server where `/v1/models` does not."""

    path: str
    """Below the server's root, beside `/v1`."""

    holds: tuple[Path, ...] = ()
    """Places in the JSON reply, at least one of which must exist; a list on the way is entered."""

    value: str | None = None
    """What must stand at the place, None for anything."""

    status: int = 200
    """HTTP status of the reply. 405 tells of a path that is there for POST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounting:
    """How a server counts tokens."""

    chat_path: str
    """Path that counts the prompt of a chat."""

    chat_path_at_root: bool = True
    """Whether the path stands beside `/v1` rather than below it."""

    whole_body: bool = False
    """It takes the chat request as it would be sent; else only what shapes the prompt."""

    history_key: str | None = None
    """The only key under which earlier reasoning is read here, where chats are read otherwise."""

    effort: Literal["field", "switch"] | None = None
    """How the effort is taken: as a field of its own, or as a switch of the template."""

    text_path: str = "/tokenize"
    """Path beside `/v1` that encodes a bare text."""

    text_field: str = "prompt"
    """Field of the text."""

    special_field: str = "add_special_tokens"
    """Field that keeps the server from adding tokens of its own when it is false."""

    names_model: bool = True
    """Whether the model's name goes with the text."""


@dataclass(frozen=True, slots=True)
class ConstraintForm:
    """Where a constraint goes, and in which notation."""

    path: Path
    notation: Literal["as_is", "alternatives", "gbnf"] = "as_is"
    """`alternatives`: choices as one regular expression. `gbnf`: choices as a grammar of llama.cpp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server's spelling of the things OpenAI's API does not define, and what to know when using it."""

    # -- what it is --------------------------------------------------------------------------------------------------

    name: str
    """The value of `ChatQwen3(server=...)`."""

    title: str
    """The server's name for people."""

    evidence: str
    """How the row's facts are known, with the version they were seen on; its docstring has the exceptions."""

    aliases: tuple[str, ...] = ()
    """Other values of `server=`: forks and shells of this server that need no row of their own."""

    kind: Literal["engine", "hosted", "gateway", "unknown"] = "engine"
    """`engine`: you start it. `hosted`: a service. `gateway`: something else answers behind it. `unknown`: a guess."""

    start: str = "hosted"
    """How to start it so that everything in its row works, for the documentation."""

    passes_on: str = ""
    """What a gateway does to the thinking switch on its way to the server behind it, and what helps, in one line."""

    # -- how it is told ----------------------------------------------------------------------------------------------

    hosts: tuple[str, ...] = ()
    """Regular expressions that the whole host name of a hosted service matches."""

    owned_by: tuple[str, ...] = ()
    """What `/v1/models` says in `data[].owned_by`, where that tells the server."""

    signs: tuple[Sign, ...] = ()
    """What else in the reply of `/v1/models` tells it, any of them."""

    probe: Probe | None = None
    """The path to look at where `/v1/models` does not tell."""

    providers: Mapping[str, str] = field(default_factory=frozen)
    """Suffix of a model's name after its colon → the row of the provider that answers then."""

    version: tuple[str, str] | None = None
    """Path below the root and key of the JSON reply that tell the version."""

    api_key_variable: str | None = None
    """Environment variable of the key, looked at for this server's hosts only, after `$QWEN_API_KEY`."""

    # -- thinking ----------------------------------------------------------------------------------------------------

    thinking: tuple[Path, ...] = ((KWARGS, "enable_thinking"),)
    """Paths that take the switch as a boolean."""

    thinking_word: tuple[Path, str, str] | None = None
    """The switch is a word instead: path, word for on, word for off."""

    thinking_default: bool | None = None
    """Whether hybrid models think here when nothing is sent; None: as the model's own template says."""

    budget: Path | None = None
    """Path of the thinking budget in tokens, None when the server has none."""

    budget_range: tuple[int, int | None] = (0, None)
    """Smallest and largest budget the server takes. Where 0 is too small it switches thinking off."""

    effort: Path | None = ("reasoning_effort",)
    """Path of the reasoning effort, None when the server has none."""

    effort_for_all: bool = False
    """Every model takes an effort; elsewhere only those whose template knows the word."""

    effort_words: Mapping[str, str] = field(default_factory=frozen)
    """Effort in the model's words → in the server's, where they differ."""

    preserve: Path | None = (KWARGS, "preserve_thinking")
    """Path of the `preserve_thinking` template switch, None when the server has none."""

    return_reasoning: Path | None = None
    """Path that asks the server for reasoning, for pods that want to be asked."""

    budget_excludes_effort: bool = False
    """Budget and effort together are an error."""

    stream_when_thinking: bool = False
    """A whole (non-streamed) reply is refused or risky while thinking, so ask for a stream."""

    # -- history -----------------------------------------------------------------------------------------------------

    history_keys: tuple[str, ...] = BOTH_KEYS
    """Keys under which earlier reasoning is sent back; none where the server drops or refuses it."""

    reasoning_details: bool = False
    """Earlier `reasoning_details` are sent back as they came."""

    cache_control: bool = False
    """Text parts may carry `cache_control`."""

    continues_assistant: bool = False
    """A last message of the assistant is continued; elsewhere a new turn begins after it."""

    # -- parameters --------------------------------------------------------------------------------------------------

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Field of the token limit."""

    sampling_names: Mapping[str, str] = field(default_factory=frozen)
    """Sampling fields the server spells differently."""

    extra: Mapping[str, Any] = field(default_factory=frozen)
    """Fields that every request to a model that can think carries; what the user sets wins."""

    unsupported: frozenset[str] = frozenset()
    """Payload fields the server refuses or ignores; sent never, warned about once."""

    strict_fields: bool = False
    """Unknown body fields are an error, so nothing but OpenAI's own and `own_fields` goes out."""

    own_fields: frozenset[str] = frozenset()
    """Body fields beside OpenAI's that the server takes: keywords of a call, and all that a strict server is sent."""

    # -- tools and formats -------------------------------------------------------------------------------------------

    tool_choice: ChoicePolicy = "honoured"
    """What becomes of a forced choice, see `ChoicePolicy`."""

    builtin_tools: bool = True
    """Tools that are no functions (`{"type": "web_search"}`) may be sent; elsewhere they are left out and warned of."""

    structured_method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema"
    """What `with_structured_output` uses when no method is named."""

    response_format: Literal["openai", "value", "schema_only", "object_schema"] = "openai"
    """OpenAI's form; `value` (the schema stands under that key); `schema_only` (no `json_object`); `object_schema`
    (no `json_schema`: a `json_object` that carries the schema)."""

    constraints: Mapping[str, ConstraintForm] = field(default_factory=frozen)
    """Kind of `constraint=` → its field. What is absent cannot be sent; `json` goes as `response_format` then."""

    format_silences_tools: bool = False
    """A JSON `response_format` holds every reply, so no tool beside it is ever called."""

    json_refused_thinking: bool = False
    """A JSON `response_format` is an error while thinking."""

    # -- replies -----------------------------------------------------------------------------------------------------

    repeats_open_tag: bool = False
    """Without a parser its replies repeat the `<think>` that ends the prompt, so no closing tag comes alone."""

    # -- media -------------------------------------------------------------------------------------------------------

    audio: Literal["base64", "audio_url", "data_uri"] = "base64"
    """How audio is sent: `base64` (OpenAI's `input_audio`, no URLs); `audio_url` (URLs and data URIs); `data_uri`
    (either of them in `input_audio`)."""

    media_kinds: frozenset[str] = frozenset({"image", "video", "audio"})
    """Kinds of media parts the server takes at all."""

    base64_media_only: bool = False
    """Media must be base64 data, URLs are refused."""

    files: bool = False
    """`file` parts are taken (PDF)."""

    media_settings: Literal["part", "mm_processor_kwargs", "unknown"] | None = None
    """Where `fps`, `min_pixels` and the like of a part are read: `part` (beside its data), `mm_processor_kwargs` (once
    per request), `unknown` (sent in the part, with a warning), None (nowhere)."""

    video_frames: Literal["list", "jpeg"] | None = None
    """A video may be a list of its frames: `list` (URLs or data), `jpeg` (data alone), None (no)."""

    # -- around the requests -----------------------------------------------------------------------------------------

    token_counting: TokenCounting | None = None
    """How it counts tokens, None when it cannot."""

    idle_connections_hold_threads: bool = False
    """Kept-alive connections occupy the server's HTTP threads."""

    refusal: str | None = None
    """Regular expression in its error about an unknown field, where that tells the server."""

    refused: frozenset[str] = frozenset()
    """Fields and settings of a row's copy that its server was found to refuse, see `without`."""

    flags: Mapping[str, str] = field(default_factory=frozen)
    """What to start the server with, or do instead, when a setting or a feature is missing."""

    def without(self, names: frozenset[str]) -> Dialect:
        """Return the row of a server that refuses some fields: none of them is sent, and none warned about again."""

        def keep(path: Path | None) -> Path | None:
            return None if path and path[0] in names else path

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
            "enable_thinking": (self.thinking or word) and not (row.thinking or row.thinking_word),
            "thinking_budget": self.budget and not row.budget,
            "reasoning_effort": self.effort and not row.effort,
            "preserve_thinking": self.preserve and not row.preserve,
        }
        return replace(row, refused=self.refused | names | {name for name, is_lost in lost.items() if is_lost})

    def adapt_line(self, line: ModelLine | None) -> ModelLine | None:
        """Return a model's line as this server serves it: some switch thinking off where nothing is sent."""
        default = self.thinking_default
        if line is None or default is None or line.thinking != "hybrid" or line.thinking_default == default:
            return line
        return replace(line, thinking_default=default)
