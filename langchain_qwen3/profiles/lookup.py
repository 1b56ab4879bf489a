"""Finds the line of a model, and builds LangChain's profile from it.

Order of precedence: the user's `model_line`, then the server's own report, then the model's name. An unrecognised
name gives None: then nothing is assumed and the server decides. The facts are in `lines`.
"""

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache

from langchain_core.language_models import ModelProfile

from langchain_qwen3.profiles.lines import MODEL_LINES, ModelLine

# Lines whose name cannot be a model name; other line names are found like model names.
_BY_NAME = {line.name.lower(): line for line in MODEL_LINES if " " in line.name}
_ALL_INPUTS = frozenset({"text", "image", "video", "audio"})
# Words in the vendor's own names and names of formats. Any other word may mean anything: "vision", a fine-tune.
_VENDORS_WORD = re.compile(
    r"qwen|qwen\d(?:\.\d+)?|\d+(?:\.\d+)?[bmt]|a\d+(?:\.\d+)?b|moe|\d{1,2}|\d{4,5}|of|base|chat|instruct|thinking|next|"
    r"coder|vl|omni|captioner|max|plus|flash|preview|hf|gguf|awq|gptq|int\d|fp\d+|b?f16|f32|nvfp4|mxfp\d|w\d+a\d+|"
    r"\d+bit|i?q\d.*|[kmsl]|x+[sl]|nl|ud|mlx|bnb|unsloth|dynamic|imatrix|i1|exl\d|dwq|autoround|onnx"
)
_MAX_NAME = 300
"""How many characters of a name are read, from its end: servers choose names, and the patterns are not linear."""
_SIZE_OR_EDITION = re.compile(r"-(?:\d+(?:\.\d+)?[bmt]|max|plus|flash)(?:-|$)")

# Names, in `normalise_name`'s form, of models that no chat is possible with. Words that fine-tunes for chat have too
# ("voice") count only where the vendor puts them.
_NO_CHAT = re.compile(
    r"embed|re-?rank|forced-?align|live-?translate|reward|for(?:sequence|token)class|colqwen|"
    r"(?<![a-z])(?:asr|tts|guard|genrm|p?rm)(?=for|[^a-z]|$)|"
    r"qwen3(?:\.\d)?-?(?:s2s|voice|speech|image|mt)(?![a-z])|qwen3(?:\.\d)?-omni-.*realtime"
)
_OTHER_TEMPLATE = re.compile(r"(?:(?!qwen3).)*deepseek")
"""A vendor that puts its own template on weights of Qwen3. If its name follows Qwen3's, only answers came from it."""

_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\s_:‐-―−]+|--+", "-"),  # and the hyphens and dashes of word processors
        (r"(?:(?:通[义義]|tongyi)-?)?(?:千[问問]|qianwen)(?:-?qwen)?", "qwen"),  # the vendor's name in Chinese
        (r"(?<=\d)p(?=\d)", "."),  # Fireworks writes the dot of a version or size as a letter: qwen3p8, qwen3-0p6b
        (r"qwen-3(?=[-./]|$)", "qwen3"),
        # Words without a hyphen between them: Qwen3VL8B, 30BA3B, 4BThinking, Thinking2507.
        (r"(?<=vl|\dt|\db)(?=\d|a\d+(?:\.\d+)?b|thinking|instruct)|(?<=omni|king|ruct)(?=\d)", "-"),
        (r"qwen3\.(?=(?:[01]\.)?\d+b(?![a-z]))", "qwen3-"),  # Qiniu writes qwen3.30b-a3b: a size, no version
        # An alias of a model whose switch is off is no Thinking edition: qwen3-235b-a22b-non-thinking.
        (r"\bnon?-?thinking\b|\bthinking-(?:off|disabled)\b", "nothink"),
        # Converters of GGUF put a dot before the quantisation: Qwen3-8B.Q4_K_M.gguf, Qwen3-8B.i1-Q4_K_M.gguf.
        (r"\.(?=(?:i1-)?(?:i?q\d|b?f(?:16|32)))", "-"),
        # Restore the dot of a version: Databricks writes qwen35, EmpirioLabs and file names qwen3-5. After a hyphen, a
        # digit is a version only if a size or a hosted name follows: qwen3-8-4bit has 8B.
        (r"qwen3([5-8])(?=-|moe|$)", r"qwen3.\1"),
        (r"qwen3-([5-8])(?=-(?:\d[\d.]*(?:-\d+)?[bt]\b|max|plus|flash|omni)|-?moe|for)", r"qwen3.\1"),
        (r"(qwen3\.\d-[012])-(?=\d[bt]\b)", r"\1."),  # and the dot of a size if it can be nothing else: qwen3.5-0-8b
        # Official GGUF files are named Qwen3VL, architectures qwen3vl and Qwen3NextForCausalLM.
        (r"(qwen3(?:\.\d)?)(?=vl|omni|next|coder|max|plus|flash)", r"\1-"),
        # The vendor puts the kind of input first: qwen3-8b-vl is an unofficial name for qwen3-vl-8b.
        (r"(qwen3(?:\.\d)?)-((?:[^-/]+-)*[^-/]+)-(vl|omni)\b", r"\1-\3-\2"),
        # And the edition last: qwen3-thinking-2507, Qwen3-Thinking-4B-2507.
        (r"(qwen3)-(thinking|instruct)-(2507|4b|30b|235b)\b", r"\1-\3-\2"),
        # OpenRouter writes the edition as a date behind the size: qwen3-235b-a22b-07-25.
        (r"(?<=\db)-07-25(?!\d)", "-2507"),
    )
)


def normalise_name(model: str) -> str:
    """Return a model name in one form: lower case, "-" between its parts, versions with a dot, "qwen3" as one word.

    "Qwen_Qwen3-8B-Q4_K_M.gguf" becomes "qwen-qwen3-8b-q4-k-m.gguf", "Qwen3VL-8B" becomes "qwen3-vl-8b", "qwen3p6-35b"
    becomes "qwen3.6-35b". Slashes are kept.
    """
    name = unicodedata.normalize("NFKC", model.strip()[-_MAX_NAME:]).strip().lower().replace("\\", "/")
    for pattern, replacement in _SPELLINGS:
        name = pattern.sub(replacement, name)
    return name


def can_chat(model: str) -> bool:
    """Return False if the name says that the model embeds, ranks, hears or speaks, and serves no chat."""
    return _NO_CHAT.search(normalise_name(model)) is None


@lru_cache(maxsize=1024)
def find_line(model: str, server: str | None = None) -> ModelLine | None:
    """Find the line of a model by the model's name.

    It understands repository names, Ollama tags, file paths, GGUF files, hosted names and names with any prefix or
    suffix. In a path, the last recognised part is used.

    Args:
        model: The name as sent to the server, or the name of a line.
        server: Name of the server's dialect, for rows that are valid on one service only.

    Returns:
        The line, or None when the name is not recognised: an alias, a fine-tune, an embedding model.
    """
    if (line := _BY_NAME.get(model.lower())) is not None:
        return line
    for part in reversed(normalise_name(model).split("/")):
        if _OTHER_TEMPLATE.match(part) or _NO_CHAT.search(part):
            return None
        for line in MODEL_LINES:
            if line.server in (None, server) and line.pattern.search(part):
                return line
    return None


@lru_cache(maxsize=1024)
def resolve_line(
    model: str,
    server: str | None = None,
    *,
    model_line: str | None = None,
    weights: tuple[str, ...] = (),
    inputs: frozenset[str] | None = None,
) -> ModelLine | None:
    """Return the line of a model from all known facts.

    Order of precedence: `model_line`, then the server's own report, then the name. A name rules out a kind of input
    only if it consists entirely of the vendor's own words: with any other word in it, the server decides.

    Args:
        model: The name as sent to the server.
        server: Name of the server's dialect.
        model_line: What the user says the model is: the name of a line or of any of its models.
        weights: Other names of the model on the server (`ModelFacts.weights`).
        inputs: Kinds of input that the server reports (`ModelFacts.inputs`), None if it reports none.

    Returns:
        The line, or None when no name is recognised.

    Raises:
        ValueError: `model_line` is not the name of a known line or model.
    """
    if model_line is not None:
        if (line := find_line(model_line, server)) is None:
            lines = ", ".join(line.name for line in MODEL_LINES)
            raise ValueError(f"{model_line=} is not a known model line: pass a model name or one of {lines}")
        return line
    found = [(name, line) for name in (*weights, model) if (line := find_line(name, server)) is not None]
    if not found:
        return None
    # A folder such as /models/qwen3 says less than the served name Qwen3-VL-8B-Instruct.
    place = next((place for place, (name, line) in enumerate(found) if line.name != "Qwen3" or _is_vendors(name)), 0)
    line = found[place][1]
    if not all(_is_vendors(name) for name, _ in found[: place + 1]):
        line = replace(line, inputs=_ALL_INPUTS, inputs_known=False, late_system=False)
    if inputs is None:
        return line
    # Servers have one word for images and videos.
    seen = line.inputs & {"video"} if "image" in inputs else frozenset()
    return replace(line, inputs=inputs | seen, inputs_known=True)


def _is_vendors(name: str) -> bool:
    """Return whether all words of a name are known: it comes from the vendor, or from someone who converted the format.

    An alias such as "qwen3" or "qwen-plus" does not count: it has no size or version.
    """
    words = normalise_name(name).rpartition("/")[2].removesuffix(".gguf").replace("qwen-qwen", "qwen").split("-")
    return (
        bool(re.match(r"qwen\d", words[0]))
        and bool(_SIZE_OR_EDITION.search("-".join(words)))
        and all(_VENDORS_WORD.fullmatch(word) for word in words)
    )


def build_profile(line: ModelLine | None, served_context: int | None = None) -> ModelProfile | None:
    """Build LangChain's profile of a model.

    `structured_output` and `tool_choice` are left out: they are the server's abilities, not the checkpoint's. With
    `structured_output`, `create_agent` would send a schema together with the tools, and engines then write JSON and
    never call a tool (see `Dialect.format_silences_tools`). Unknown kinds of input are left out.

    Args:
        line: The model's line, None if it is unknown.
        served_context: Context length the server reports (`max_model_len`, `n_ctx`), in tokens. It replaces the
            line's value, because a server is often started with less, or with YaRN and more.

    Returns:
        A new dict, or None when neither line nor context is known.

    Raises:
        ValueError: `served_context` is not positive.
    """
    if served_context is not None and served_context < 1:
        raise ValueError(f"served_context must be a positive number of tokens, not {served_context}")
    if line is None:
        return None if served_context is None else ModelProfile(max_input_tokens=served_context)
    context = served_context or line.max_input or line.context
    profile = ModelProfile(
        name=line.name,
        max_input_tokens=context,
        text_inputs="text" in line.inputs,
        pdf_inputs=False,
        pdf_tool_message=False,
        text_outputs=True,
        image_outputs=False,
        audio_outputs=False,
        video_outputs=False,
        reasoning_output=line.thinking != "never",
        tool_calling=line.calls_tools,
        tool_call_streaming=line.calls_tools,
        temperature=True,
        mid_conversation_system_messages=line.late_system,
    )
    if line.inputs_known:
        sees = "image" in line.inputs
        profile |= ModelProfile(image_inputs=sees, image_url_inputs=sees, image_tool_message=sees, attachment=sees)
        profile |= ModelProfile(video_inputs="video" in line.inputs, audio_inputs="audio" in line.inputs)
    if line.max_output is not None:
        profile["max_output_tokens"] = min(line.max_output, context)
    if line.efforts:
        profile["reasoning_effort_levels"] = list(line.efforts)
        profile["reasoning_effort_default"] = line.efforts[0]
    return profile
