"""Facts about each line of Qwen3 models: one row per line, data only.

The comment above a row ends with the grade of its evidence:

* S: read in the checkpoint's chat template or in a vendor's repository;
* L: measured by rendering the template;
* D: the vendor's documentation or model card;
* C: community reports and other clients' tables;
* ?: inferred, not measured.

To add a line of models, add a row. The first matching row is used, so specific rows come before general ones.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Sampling = dict[str, float]
"""Parameters of a request that a model card recommends; those that the card does not state are absent."""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """Facts about one line of models: they decide the form of a request and how a reply is parsed.

    Attributes:
        name: The vendor's name for the line.
        pattern: Searched in the normalised model name (see `normalise_name`).
        thinking: "hybrid" has a switch, "always" cannot be switched off, "never" cannot be switched on.
        thinking_default: Whether the model thinks when the request has no switch.
        opens_think: Whether the prompt already ends in `<think>`, so that replies contain only `</think>`.
        soft_switch: Whether the model understands `/think` and `/no_think` in a message.
        keeps_reasoning: Which earlier reasoning the template puts into the prompt: "last_turn" after the last human
            message, "preserve" all if `preserve_thinking` is true, "all" all unless it is false.
        efforts: Values of `reasoning_effort` the template knows, the default first; empty if it knows none.
        tool_format: Format of tool calls: "hermes" JSON or "xml" functions and parameters.
        context: Maximum tokens of prompt and answer together, without YaRN.
        max_input: The service's limit on the prompt in tokens; None for open weights.
        max_output: The service's limit on the answer in tokens; for open weights, the length the card calls
            adequate. None when neither is stated.
        inputs: Kinds of input: "text", "image", "video", "audio".
        inputs_known: False if the name does not show the kinds of input, so that all kinds are assumed.
        needs_user: Whether the template raises without a user message.
        late_system: Whether the template renders a later system message in its place; for other lines, all system
            messages are merged into one at the front.
        calls_tools: Whether the line was trained to call tools.
        vocabulary: Which of the two vocabularies: "qwen3" (151,669 tokens) or "qwen3.5" (248,077).
        template: The line's chat template in `chat_templates/`, or the most similar one if its own is not available.
        sampling_thinking: The card's recommendation with thinking on; None when nothing is stated.
        sampling_plain: The same with thinking off.
        server: Name of the only dialect for which the row is valid; None for all.
    """

    name: str
    pattern: re.Pattern[str]
    thinking: Literal["hybrid", "always", "never"]
    thinking_default: bool = False
    opens_think: bool = False
    soft_switch: bool = False
    keeps_reasoning: Literal["last_turn", "preserve", "all"] = "last_turn"
    efforts: tuple[str, ...] = ()
    tool_format: Literal["hermes", "xml"] = "hermes"
    context: int = 262_144
    max_input: int | None = None
    max_output: int | None = None
    inputs: frozenset[str] = frozenset({"text"})
    inputs_known: bool = True
    needs_user: bool = False
    late_system: bool = False
    calls_tools: bool = True
    vocabulary: Literal["qwen3", "qwen3.5"] = "qwen3"
    template: str = "qwen3"
    sampling_thinking: Sampling | None = field(default=None, hash=False)
    sampling_plain: Sampling | None = field(default=None, hash=False)
    server: str | None = None


def _variant(base: ModelLine, name: str, pattern: str, **facts: Any) -> ModelLine:
    return replace(base, name=name, pattern=re.compile(pattern), **facts)


_TEXT = frozenset({"text"})
_VISION = frozenset({"text", "image", "video"})
_OMNI = frozenset({"text", "image", "video", "audio"})
_THINKING_06 = Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0)
_PLAIN_07 = Sampling(temperature=0.7, top_p=0.8, top_k=20, min_p=0.0)
_THINKING_35 = Sampling(temperature=1.0, top_p=0.95, top_k=20, min_p=0.0, presence_penalty=1.5, repetition_penalty=1.0)
_PLAIN_35 = _THINKING_35 | {"temperature": 0.7, "top_p": 0.8}
_EFFORTS_38 = ("xhigh", "medium", "low")
_EITHER = {"thinking": "hybrid", "thinking_default": True, "sampling_plain": None}  # edition not named
_MILLION: dict[str, Any] = {"context": 1_000_000, "max_input": 991_808}  # the limits of most hosted models since 3.5

# 2025-04, dense 0.6B to 32B, 30B-A3B and 235B-A22B. Context is the config's 40,960: 32,768 of answer and
# 8,192 of prompt; 131,072 with YaRN from 4B on. The card forbids greedy decoding while thinking. [S, L, D]
QWEN3 = ModelLine(
    "Qwen3",
    re.compile(r"qwen3(?!\.)"),
    thinking="hybrid",
    thinking_default=True,
    soft_switch=True,
    late_system=True,
    context=40_960,
    max_output=32_768,
    sampling_thinking=_THINKING_06,
    sampling_plain=_PLAIN_07,
)
# 2025-07/08, 4B, 30B-A3B and 235B-A22B ("Qwen3-8B-Instruct" is an unofficial name for the hybrid).
# `enable_thinking` is ignored; content goes into the next prompt verbatim. OpenRouter leaves "instruct" out
# of the name: "qwen3-30b-a3b-2507". [S, L, D]
_INSTRUCT_2507 = ModelLine(
    "Qwen3-2507 Instruct",
    re.compile(r"qwen3-(?:2507|(?:4b|30b|235b)\b.*\b(?:instruct|2507))\b"),
    thinking="never",
    late_system=True,
    max_output=16_384,
    sampling_plain=_PLAIN_07,
    template="qwen3_instruct_2507",
)
# 2025-07/08. The template opens <think>; the card asks for at least 131,072 tokens of context. [S, L, D]
_THINKING_2507 = ModelLine(
    "Qwen3-2507 Thinking",
    re.compile(r"qwen3-(?:2507|4b|30b|235b)\b.*\bthinking\b"),
    thinking="always",
    thinking_default=True,
    opens_think=True,
    late_system=True,
    max_output=32_768,
    sampling_thinking=_THINKING_06,
)
# 2025-07, 480B-A35B and 30B-A3B; sampling from a copy of the card. [S, D]
_CODER = ModelLine(
    "Qwen3-Coder",
    re.compile(r"qwen3-coder"),
    thinking="never",
    tool_format="xml",
    max_output=65_536,
    sampling_plain=Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05),
    template="qwen3_instruct_2507",
)
# 2025-09/10, 2B to 235B-A22B; sampling from the repository's evaluation settings. [S, L, D]
_VL_INSTRUCT = ModelLine(
    "Qwen3-VL Instruct",
    re.compile(r"qwen3-vl-.*instruct"),
    thinking="never",
    inputs=_VISION,
    max_output=32_768,
    sampling_plain=Sampling(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5, repetition_penalty=1.0),
    template="qwen3_vl",
)
# Ollama's renderer shows that the template opens <think>. [S, D]
_VL_THINKING = ModelLine(
    "Qwen3-VL Thinking",
    re.compile(r"qwen3-vl-.*thinking"),
    thinking="always",
    thinking_default=True,
    opens_think=True,
    inputs=_VISION,
    max_output=40_960,
    sampling_thinking=Sampling(temperature=0.6, top_p=0.95, top_k=20, presence_penalty=0.0, repetition_penalty=1.0),
    template="qwen3_vl",
)
# 2025-09; context from the examples, the template was not inspected. [D; context, template ?]
_OMNI_INSTRUCT = ModelLine(
    "Qwen3-Omni Instruct",
    re.compile(r"qwen3-omni-.*instruct"),
    thinking="never",
    inputs=_OMNI,
    context=65_536,
    max_output=16_384,
)
# 2026-02/03, 4B to 397B-A17B. The card's "general" sampling; for precise coding it lowers temperature to 0.6
# and presence_penalty to 0. Cards of the line differ on sampling without thinking. [S, L, D]
_QWEN35 = ModelLine(
    "Qwen3.5",
    re.compile(r"qwen3\.5"),
    thinking="hybrid",
    thinking_default=True,
    opens_think=True,
    tool_format="xml",
    inputs=_VISION,
    needs_user=True,
    max_output=32_768,
    sampling_thinking=_THINKING_35,
    sampling_plain=_PLAIN_35,
    vocabulary="qwen3.5",
    template="qwen3_5",
)
# 2026-04. [S, L, D]
_QWEN36 = _variant(_QWEN35, "Qwen3.6", r"qwen3\.6", keeps_reasoning="preserve", template="qwen3_6")
# 2026-08. Earlier reasoning is kept by default and never split out of content. [S, L, D]
_QWEN38 = _variant(
    _QWEN35,
    "Qwen3.8",
    r"qwen3\.8",
    keeps_reasoning="all",
    efforts=_EFFORTS_38,
    max_output=131_072,
    sampling_thinking=_THINKING_35 | {"presence_penalty": 0.0},
    template="qwen3_8",
)
# [D]
_QWEN38_TEXT = _variant(_QWEN38, "Qwen3.8-2.4T-A95B", r"qwen3\.8-2\.4t", inputs=_TEXT)
# Hosted, 2025-09; thinks on request since 2026-01-23. [D; limits C]
_MAX = ModelLine("Qwen3-Max", re.compile(r"qwen3-max"), thinking="hybrid", max_input=258_048, max_output=65_536)
# Aliases of the newest Qwen3-class model, off by default. Snapshots before 2025-04 are Qwen2.5. [D; limits C]
_NO_QWEN2 = r"(?!-2024|-2025-0[123]|-\d{4}$)"
_PLUS = _variant(
    _MAX, "Qwen-Plus/Flash", rf"qwen-(?:plus|flash){_NO_QWEN2}", context=1_000_000, max_input=997_952, max_output=32_768
)
# Hosted, 2026-05. [D; limits C]
_QWEN37_MAX = ModelLine(
    "Qwen3.7-Max",
    re.compile(r"qwen3\.7-max"),
    thinking="hybrid",
    thinking_default=True,
    keeps_reasoning="preserve",
    **_MILLION,
    max_output=65_536,
    needs_user=True,
    vocabulary="qwen3.5",
    template="qwen3_6",
)
# Hosted, 2026-08; 3.8-flash has the same limits. [D; limits C]
_QWEN38_MAX = _variant(
    _QWEN37_MAX,
    "Qwen3.8-Max",
    r"qwen3\.8-max",
    keeps_reasoning="all",
    efforts=_EFFORTS_38,
    max_output=131_072,
    template="qwen3_8",
)

MODEL_LINES: tuple[ModelLine, ...] = (
    # --- 3.8 ---
    # Hosted: `enable_thinking: false` is an HTTP 400; `reasoning_effort` is not documented for it. [D, C]
    _variant(_QWEN38_MAX, "Qwen3.8-Max preview", r"qwen3\.8-max-preview", thinking="always", efforts=()),
    _QWEN38_MAX,
    # Hosted; 983,616 tokens of prompt while thinking. [D]
    _variant(_QWEN38_MAX, "Qwen3.8-Omni-Flash", r"qwen3\.8-omni", inputs=_OMNI),
    # 125B-A6B. The card has a switch, other sources say "always on": the card is used; template not seen. [D, ?]
    _variant(_QWEN38, "Qwen3.8-Flash-Next", r"qwen3\.8-flash-next"),
    _variant(_QWEN38_MAX, "Qwen3.8-Flash", r"qwen3\.8-flash", inputs=_VISION),  # [D; limits C]
    # DashScope refuses `enable_thinking: false`, although the template of these weights has the switch. [C]
    replace(_QWEN38_TEXT, name="Qwen3.8-2.4T-A95B on DashScope", thinking="always", server="dashscope"),
    _QWEN38_TEXT,
    _QWEN38,
    # --- 3.7, hosted only ---
    # `enable_thinking: false` is an HTTP 400. [D, C]
    _variant(
        _QWEN37_MAX, "Qwen3.7-Max thinking-only snapshots", r"qwen3\.7-max-(?:preview|2026-05-17)", thinking="always"
    ),
    _QWEN37_MAX,
    # Plus and Flash; limits known for Plus. [D; limits C; inputs ?]
    _variant(_QWEN37_MAX, "Qwen3.7", r"qwen3\.7", inputs=_VISION),
    # --- 3.6 ---
    # Hosted Max-Preview is text only. [D; inputs ?]
    _variant(_QWEN36, "Qwen3.6-Max", r"qwen3\.6-max", inputs=_TEXT, max_output=65_536),
    # Hosted; limits assumed to be those of 3.5 Plus and Flash. [D; limits ?]
    _variant(_QWEN36, "Qwen3.6-Plus/Flash", r"qwen3\.6-(?:plus|flash)", **_MILLION, max_output=65_536),
    _QWEN36,
    # --- 3.5 ---
    # Thinks only when switched on; the card warns of thinking loops. [S, L, D]
    _variant(
        _QWEN35,
        "Qwen3.5 0.8B/2B",
        r"qwen3\.5-(?:0\.8b|2b)",
        thinking_default=False,
        sampling_plain=_THINKING_35 | {"top_p": 1.0, "presence_penalty": 2.0},
    ),
    # Hosted, Plus and Flash. Catalogues do not list it among the models that reason. [C; thinking ?]
    ModelLine(
        "Qwen3.5-Omni",
        re.compile(r"qwen3\.5-omni"),
        thinking="never",
        inputs=_OMNI,
        max_input=196_608,
        max_output=32_768,
        vocabulary="qwen3.5",
    ),
    # Hosted; limits known for Plus. [D; limits C]
    _variant(_QWEN35, "Qwen3.5-Plus/Flash", r"qwen3\.5-(?:plus|flash)", **_MILLION, max_output=65_536),
    _QWEN35,
    # --- Qwen3, hosted ---
    # The snapshot before the switch was added. [D]
    _variant(_MAX, "Qwen3-Max 2025-09-23", r"qwen3-max-2025-09-23", thinking="never"),
    # DeepInfra and Vercel list it as a separate model. [C; that thinking cannot be switched off ?]
    _variant(_MAX, "Qwen3-Max-Thinking", r"qwen3-max-thinking", thinking="always", thinking_default=True),
    _MAX,
    # The first snapshots of the Qwen3 class. [D; limits C]
    _variant(
        _PLUS, "Qwen-Plus 2025-04 to 2025-07-14", r"qwen-plus-2025-0(?:4|5|6|7-14)", context=131_072, max_input=129_024
    ),
    _PLUS,
    # Superseded by Qwen-Flash. Snapshots before 2025-04 are Qwen2.5. [D; context ?]
    ModelLine("Qwen-Turbo", re.compile(rf"qwen-turbo{_NO_QWEN2}"), thinking="hybrid", context=131_072),
    # --- Coder ---
    # 2026-02; the card did not confirm the sampling values, so none are stated. [D]
    _variant(_CODER, "Qwen3-Coder-Next", r"qwen3-coder-next", sampling_plain=None),
    # Hosted. [C]
    _variant(_CODER, "Qwen3-Coder-Plus/Flash", r"qwen3-coder-(?:plus|flash)", context=1_000_000, max_input=997_952),
    _CODER,
    # --- VL and Omni ---
    # Hosted; limits known for Plus. [D; limits C]
    _variant(
        _MAX, "Qwen3-VL-Plus/Flash", r"qwen3-vl-(?:plus|flash)", inputs=_VISION, max_input=260_096, max_output=32_768
    ),
    _VL_INSTRUCT,
    _VL_THINKING,
    # "qwen3-vl:8b" (Ollama) or "qwen3-vl-8b" (LM Studio) may be either edition: the switch is sent. [?]
    _variant(_VL_INSTRUCT, "Qwen3-VL, edition not named", r"qwen3-vl", **_EITHER),
    # Hosted. [D; context ?]
    _variant(_OMNI_INSTRUCT, "Qwen3-Omni-Flash", r"qwen3-omni-flash", thinking="hybrid"),
    # [D; template ?]
    _variant(
        _OMNI_INSTRUCT,
        "Qwen3-Omni Thinking",
        r"qwen3-omni-.*thinking",
        thinking="always",
        thinking_default=True,
        sampling_thinking=_THINKING_06,
    ),
    # [D]
    _variant(
        _OMNI_INSTRUCT,
        "Qwen3-Omni Captioner",
        r"qwen3-omni-.*captioner",
        inputs=frozenset({"audio"}),
        calls_tools=False,
    ),
    _OMNI_INSTRUCT,
    # Some servers leave the edition out of the name: the switch is sent. [?]
    _variant(_OMNI_INSTRUCT, "Qwen3-Omni, edition not named", r"qwen3-omni", thinking="hybrid"),
    # --- Next, 2025-09 --- [S, D]
    _variant(_INSTRUCT_2507, "Qwen3-Next Instruct", r"qwen3-next-.*instruct"),
    _variant(_THINKING_2507, "Qwen3-Next Thinking", r"qwen3-next-.*thinking"),
    # "qwen3-next:80b" may be either edition: the switch is sent. [?]
    _variant(_INSTRUCT_2507, "Qwen3-Next, edition not named", r"qwen3-next", **_EITHER),
    # --- 2507 and the first Qwen3 ---
    _THINKING_2507,
    _INSTRUCT_2507,
    QWEN3,
)
