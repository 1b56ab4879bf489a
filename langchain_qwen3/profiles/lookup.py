"""Finds what is known about a model, and writes it as LangChain's profile.

What somebody says outright counts first, then what the server says of itself, then the name. A name that is not
recognised gives None: then nothing is assumed and the server decides. The facts are in `lines`.
"""

import re
from dataclasses import replace
from functools import lru_cache

from langchain_core.language_models import ModelProfile

from langchain_qwen3.profiles.lines import MODEL_LINES, ModelLine, Sampling

__all__ = ["MODEL_LINES", "ModelLine", "Sampling", "build_profile", "find_line", "normalise_name", "resolve_line"]

# Names of lines that no model has; the others are found like a model's.
_BY_NAME = {line.name.lower(): line for line in MODEL_LINES if " " in line.name}
_ALL_INPUTS = frozenset({"text", "image", "video", "audio"})
# The words of the vendor's own names and of formats. One that is none of them may say anything: "vision", a fine-tune.
_VENDORS_WORD = re.compile(
    r"qwen|qwen\d(?:\.\d+)?|\d+(?:\.\d+)?[bmt]|a\d+(?:\.\d+)?b|moe|\d{1,2}|\d{4,5}|of|base|chat|instruct|thinking|next|"
    r"coder|vl|omni|captioner|max|plus|flash|preview|hf|gguf|awq|gptq|int\d|fp\d+|b?f16|f32|nvfp4|mxfp\d|w\d+a\d+|"
    r"\d+bit|i?q\d.*|[kmsl]|x+[sl]|nl|ud|mlx|bnb|unsloth|dynamic|imatrix|i1|exl\d|dwq|autoround|onnx"
)
_SIZE_OR_EDITION = re.compile(r"-(?:\d+(?:\.\d+)?[bmt]|max|plus|flash)(?:-|$)")

# Same family name, but no chat model, or another vendor's template on Qwen3 weights.
_NOT_CHAT_QWEN = re.compile(r"deepseek|embedding|rerank|guard|-asr|-tts|livetranslate")

_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\s_:]+|--+", "-"),
        (r"qwen-3(?=[-./]|p\d|$)", "qwen3"),
        # The dot of a version: Fireworks writes qwen3p8, Databricks qwen35, EmpirioLabs and file names qwen3-5. After
        # a hyphen a digit is a version only if a size or a hosted name follows: qwen3-8-4bit has 8B.
        (r"qwen3p(?=\d)", "qwen3."),
        (r"qwen3([5-8])(?=-|moe|$)", r"qwen3.\1"),
        (r"qwen3-([5-8])(?=-(?:\d[\d.]*(?:[-p]\d+)?[bt]\b|max|plus|flash|omni)|-?moe|for)", r"qwen3.\1"),
        # The dot of a size, where it must be one: qwen3-0p6b, qwen3.5-0-8b.
        (r"(?<=-)(\d)p(\d)(?=[bt]\b)", r"\1.\2"),
        (r"(qwen3\.\d-[012])-(?=\d[bt]\b)", r"\1."),
        # Official GGUF files are named Qwen3VL, architectures qwen3vl and Qwen3NextForCausalLM.
        (r"(qwen3(?:\.\d)?)(?=vl|omni|next|coder|max|plus|flash)", r"\1-"),
        # The kind of input stands first in a line's own names: qwen3-8b-vl is somebody's for qwen3-vl-8b.
        (r"(qwen3(?:\.\d)?)-((?:[^-/]+-)*[^-/]+)-(vl|omni)\b", r"\1-\3-\2"),
    )
)


def normalise_name(model: str) -> str:
    """Write a model name in one form: lower case, "-" between its parts, versions with a dot, "qwen3" in one piece.

    "Qwen_Qwen3-8B-Q4_K_M.gguf" becomes "qwen-qwen3-8b-q4-k-m.gguf", "Qwen3VL-8B" becomes "qwen3-vl-8b", "qwen3p6-35b"
    becomes "qwen3.6-35b". Slashes stay.
    """
    name = model.strip().lower().replace("\\", "/")
    for pattern, replacement in _SPELLINGS:
        name = pattern.sub(replacement, name)
    return name


@lru_cache(maxsize=1024)
def find_line(model: str, server: str | None = None) -> ModelLine | None:
    """Find the line a model belongs to by its name.

    Repository names, Ollama tags, file paths, GGUF files, hosted names and names with a prefix or suffix of
    someone's own are understood. Of a path the last part that is recognised counts.

    Args:
        model: The name as it is sent to the server, or that of a line.
        server: Name of the dialect that serves it, for the rows that hold on one service only.

    Returns:
        The line, or None when the name tells nothing: an alias, a fine-tune, an embedding model.
    """
    if (line := _BY_NAME.get(model.lower())) is not None:
        return line
    for part in reversed(normalise_name(model).split("/")):
        if _NOT_CHAT_QWEN.search(part):
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
    said: str | None = None,
    weights: tuple[str, ...] = (),
    inputs: frozenset[str] | None = None,
) -> ModelLine | None:
    """Return the line of a model by all that is known of it.

    What is said outright counts before what the server says of itself, and that before the name. A name takes no kind
    of input away unless the vendor's own words make it up: with any other word in it, the server decides.

    Args:
        model: The name as it is sent to the server.
        server: Name of the dialect that serves it.
        said: What somebody says the model is: the name of a line or of any model of it.
        weights: Other names by which the server knows it (`ModelFacts.weights`).
        inputs: Kinds of input that the server says it takes (`ModelFacts.inputs`), None where it does not say.

    Returns:
        The line, or None when nothing tells it.

    Raises:
        ValueError: `said` is no name of a line or model that is known.
    """
    if said is not None:
        if (line := find_line(said, server)) is None:
            lines = ", ".join(line.name for line in MODEL_LINES)
            raise ValueError(f"model_line={said!r} is no line that is known: give a model's name, or one of {lines}")
        return line
    for name in (*weights, model):
        if (line := find_line(name, server)) is not None:
            break
    else:
        return None
    if not _is_vendors(name):
        line = replace(line, inputs=_ALL_INPUTS, inputs_known=False, late_system=False)
    if inputs is None:
        return line
    # Servers have one word for all that is seen.
    seen = line.inputs & {"video"} if "image" in inputs else frozenset()
    return replace(line, inputs=inputs | seen, inputs_known=True)


def _is_vendors(name: str) -> bool:
    """Whether a name is one that the vendor, or somebody who made another format of it, gave: all of it is understood.

    An alias such as "qwen3" or "qwen-plus" is not: it says neither size nor version.
    """
    words = normalise_name(name).rpartition("/")[2].removesuffix(".gguf").replace("qwen-qwen", "qwen").split("-")
    return (
        bool(re.match(r"qwen\d", words[0]))
        and bool(_SIZE_OR_EDITION.search("-".join(words)))
        and all(_VENDORS_WORD.fullmatch(word) for word in words)
    )


def build_profile(  # noqa: PLR0913  # all that is known of a model
    model: str,
    served_context: int | None = None,
    server: str | None = None,
    *,
    said: str | None = None,
    weights: tuple[str, ...] = (),
    inputs: frozenset[str] | None = None,
) -> ModelProfile | None:
    """Build LangChain's profile of a model.

    `structured_output` and `tool_choice` are left out: they are the server's abilities, not the checkpoint's. With the
    first, `create_agent` would send a schema beside the tools, and engines then write JSON and never call one (see
    `Dialect.format_silences_tools`). Kinds of input are left out where nothing tells them.

    Args:
        model: The name as it is sent to the server.
        served_context: Context length the server reports (`max_model_len`, `n_ctx`), in tokens. It replaces
            the table's, since a server is often started with less, or with YaRN and more.
        server: Name of the dialect that serves it.
        said: What somebody says the model is, see `resolve_line`.
        weights: Other names by which the server knows it.
        inputs: Kinds of input that the server says it takes.

    Returns:
        A new dict, or None when neither the name nor the server tells anything.

    Raises:
        ValueError: `served_context` is not positive, or `said` is not known.
    """
    if served_context is not None and served_context < 1:
        raise ValueError(f"served_context must be a positive number of tokens, not {served_context}")
    line = resolve_line(model, server, said=said, weights=weights, inputs=inputs)
    if line is None:
        return None if served_context is None else ModelProfile(max_input_tokens=served_context)
    profile = ModelProfile(
        name=line.name,
        max_input_tokens=served_context or line.max_input or line.context,
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
        profile |= ModelProfile(
            image_inputs="image" in line.inputs,
            image_url_inputs="image" in line.inputs,
            image_tool_message="image" in line.inputs,
            video_inputs="video" in line.inputs,
            audio_inputs="audio" in line.inputs,
            attachment="image" in line.inputs,
        )
    if line.max_output is not None:
        profile["max_output_tokens"] = min(line.max_output, profile["max_input_tokens"])
    if line.efforts:
        profile["reasoning_effort_levels"] = list(line.efforts)
        profile["reasoning_effort_default"] = line.efforts[0]
    return profile
