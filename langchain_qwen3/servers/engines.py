"""Engines that users start themselves: one frozen row each, no code. See `dialects` for the grades of evidence."""

from __future__ import annotations

from functools import partial

from langchain_qwen3.servers import parameters
from langchain_qwen3.servers.dialect import KWARGS, ConstraintForm, Dialect, Probe, Sign, TokenCounting, frozen, words

engine = partial(Dialect, builtin_tools=False)
"""A row of an engine: it runs no tools of its own, such as a search of the web."""

without_switch = partial(engine, thinking=(), effort=None, preserve=None, history_keys=())
"""A row of an engine that has no thinking switch, and drops earlier reasoning."""

effort_only = partial(engine, thinking=(), thinking_word=(("reasoning_effort",), "medium", "none"), preserve=None)
"""A row of an engine whose only thinking switch is the effort."""

_CONSTRAINTS = ("choice", "grammar", "json", "regex")
# Removed in vLLM 0.12: https://docs.vllm.ai/en/latest/features/structured_outputs/
_GUIDED = {f"guided_{kind}": f'constraint={{"{kind}": ...}}, unless it is older than 0.12' for kind in _CONSTRAINTS}

VLLM = engine(
    name="vllm",
    title="vLLM",
    evidence="measured on 0.32.0",
    aliases=("vllm-ascend", "aphrodite"),
    start="vllm serve Qwen/Qwen3-8B --reasoning-parser qwen3 --enable-auto-tool-choice --tool-call-parser hermes",
    owned_by=("vllm", "aphrodite"),
    version=("/version", "version"),
    budget=("thinking_token_budget",),
    unsupported=frozenset(_GUIDED),
    own_fields=parameters.VLLM,
    constraints=frozen(**{kind: ConstraintForm(("structured_outputs", kind)) for kind in _CONSTRAINTS}),
    format_silences_tools=True,
    audio="audio_url",
    media_settings="mm_processor_kwargs",
    video_frames="jpeg",
    free_arguments=True,
    token_counting=TokenCounting(chat_path="/tokenize", history_key="reasoning", effort="switch"),
    flags=frozen(
        reasoning="--reasoning-parser qwen3",
        thinking_budget="--reasoning-parser qwen3",
        tools="--enable-auto-tool-choice --tool-call-parser hermes (qwen3_coder for Coder and 3.5 or newer)",
        cached_tokens="--enable-prompt-tokens-details",
        concurrency="--max-num-seqs 256",
        mm_processor_kwargs="--trust-request-mm-kwargs",
        **_GUIDED,
    ),
)
"""vLLM. A top-level `enable_thinking` and `guided_*` are silently ignored. `include_reasoning: false` is never sent,
because with a JSON format it makes the content null. A forced choice constrains the call and the tool's name; only
`strict` constrains the arguments. `strict` is written into the prompt (https://github.com/vllm-project/vllm/issues/52741)
and is a 400 for a schema that the grammar cannot express, such as a pattern with a back-reference, in free calls too
(all measured).

By source: with a format, tools are never called. Since 0.16 replies have only `reasoning`. History is read from
`reasoning` (0.16 to 0.21) or from either key (0.22 and newer). The budget field came with 0.19; without a reasoning
parser it is a 400. Audio goes in `audio_url` parts. With a reasoning parser, constraints apply after the thinking
(0.11.1 and newer). Since 0.31, `mm_processor_kwargs` in a request are a 400 without `--trust-request-mm-kwargs`. The
frames of a video are sent as `data:video/jpeg;base64,` followed by their data, separated by commas. `/tokenize` does
not rename `reasoning_content`, unlike chats, and takes the effort as a template switch.

vllm-ascend is vLLM (reported); Aphrodite is a fork of it (source of 0.24.1)."""

SGLANG = engine(
    name="sglang",
    title="SGLang",
    evidence="source of 0.5.23",
    aliases=("ktransformers",),
    start="python -m sglang.launch_server --model-path Qwen/Qwen3-8B --reasoning-parser qwen3 "
    "--tool-call-parser qwen25",
    owned_by=("sglang",),
    probe=Probe("/server_info", (("tool_call_parser",), ("server_args",))),
    version=("/server_info", "version"),
    constraints=frozen(
        choice=ConstraintForm(("regex",), "alternatives"),
        regex=ConstraintForm(("regex",)),
        grammar=ConstraintForm(("ebnf",)),
    ),
    own_fields=parameters.SGLANG,
    format_silences_tools=True,
    audio="audio_url",
    token_counting=TokenCounting(chat_path="/tokenize", effort="field"),
    flags=frozen(
        reasoning="--reasoning-parser qwen3",
        tools="--tool-call-parser qwen25 (qwen3_coder for Coder and 3.5 or newer)",
        thinking_budget="a custom_logit_processor in extra_body and --enable-custom-logit-processor",
        cached_tokens="--enable-cache-report",
    ),
)
"""SGLang. Reads history from `reasoning_content` only and drops the other key; answers 400 to explicit nulls.
Support for `audio_url` parts is reported, not read in the source. KTransformers starts SGLang (source)."""

LLAMA_CPP = engine(
    name="llama.cpp",
    title="llama.cpp",
    evidence="measured on builds of October and November 2026",
    aliases=("docker", "lemonade", "ramalama", "jan"),
    start="llama-server -m Qwen3-8B-Q8_0.gguf --jinja --reasoning-format auto --threads-http 128",
    owned_by=("llamacpp", "docker", "lemonade"),
    signs=(Sign(header=("server", "llama.cpp")),),
    probe=Probe("/props", (("default_generation_settings",),), describes_model=True),
    version=("/props", "build_info"),
    budget=("thinking_budget_tokens",),
    effort=(KWARGS, "reasoning_effort"),
    sampling_names=frozen(repetition_penalty="repeat_penalty"),
    unsupported=frozenset({"parallel_tool_calls"}),
    own_fields=parameters.LLAMA_CPP,
    tool_choice="by_format",
    constraints=frozen(
        choice=ConstraintForm(("grammar",), "gbnf"),
        grammar=ConstraintForm(("grammar",)),
    ),
    format_silences_tools=True,
    continues_assistant=True,
    token_counting=TokenCounting(
        chat_path="/chat/completions/input_tokens",
        chat_path_at_root=False,
        whole_body=True,
        text_field="content",
        special_field="add_special",
        names_model=False,
    ),
    repeats_open_tag=True,
    idle_connections_hold_threads=True,
    flags=frozen(
        reasoning="--reasoning-format auto",
        tools="--jinja",
        connections="--threads-http 128",
        concurrency="--parallel 8",
    ),
)
"""llama.cpp's llama-server and everything built on it. An idle keep-alive connection occupies one of its HTTP threads
for 5 s: 64 calls at once took 36 s with the default number of threads, 1 s with 96. History is read from
`reasoning_content` only. `parallel_tool_calls: false` is ignored. Not measured: that audio must be base64, and that
the effort reaches 3.8's template (`chat_template_kwargs` do). A grammar applies from the first token, so the model
does not think; a grammar together with tools is refused (measured).

Docker Model Runner, RamaLama and Jan run it (reported, source); so does Lemonade (source, documented)."""

_IN_MODELFILE = ("top_k", "min_p", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau")

OLLAMA = effort_only(
    name="ollama",
    title="Ollama",
    evidence="source of 0.33.0-rc2",
    start="ollama serve  # and in another terminal: ollama pull qwen3:8b",
    owned_by=("library",),
    probe=Probe("/api/version", (("version",),), exact=True, owner=r"ollama |(\S+) (.*/)?\1/[^/]+:"),
    version=("/api/version", "version"),
    unsupported=frozenset({*_IN_MODELFILE, "repetition_penalty", "n", "parallel_tool_calls"}),
    tool_choice="ignored",
    media_kinds=frozenset({"image"}),
    base64_media_only=True,
    continues_assistant=True,
    flags=frozen(
        repetition_penalty="a Modelfile with PARAMETER repeat_penalty",
        **{name: f"a Modelfile with PARAMETER {name}" for name in _IN_MODELFILE},
    ),
)
"""Ollama's `/v1`. `enable_thinking`, `think` and `max_completion_tokens` are silently ignored; an effort other than
`none` on a model that cannot think is a 400; temperature and top_p are 1.0 when not sent, whatever the Modelfile
says. History is read from `reasoning` only. Models of other namespaces are not owned by `library`: then
`/api/version` identifies the server. Others have that path too, such as llama-swap
(https://github.com/mostlygeek/llama-swap), but Ollama tells nothing beside the version
(https://github.com/ollama/ollama/blob/main/server/routes.go), and its owner is the namespace in the model's name
(https://github.com/ollama/ollama/blob/main/openai/openai.go), or `ollama` at ollama.com."""

LM_STUDIO = effort_only(
    name="lmstudio",
    title="LM Studio",
    evidence="documented and reported for 0.4",
    start="lms load qwen/qwen3-8b && lms server start",
    probe=Probe("/api/v1/models", (("models", "loaded_instances"),)),
    effort_for_all=True,
    sampling_names=frozen(repetition_penalty="repeat_penalty"),
    own_fields=parameters.LM_STUDIO,
    tool_choice="named_ignored",
    response_format="schema_only",
    media_in_results=False,
    continues_assistant=True,
    flags=frozen(reasoning='the developer setting "separate reasoning_content"'),
)
"""LM Studio. Documented: `repeat_penalty`, `json_schema` as the only JSON format. Reported: the effort is the thinking
switch, `chat_template_kwargs` are ignored, `required` works on the llama.cpp engine only, media in a tool's result are
a 400 (https://github.com/QwenLM/qwen-code/issues/3616). Unknown: how it reads earlier reasoning, so both keys are
sent."""

TGI = without_switch(
    name="tgi",
    title="Text Generation Inference",
    evidence="source of 3.x",
    start="text-generation-launcher --model-id Qwen/Qwen3-8B",
    probe=Probe("/info", (("router",),), value="text-generation-router"),
    version=("/info", "version"),
    unsupported=frozenset({"top_k", "min_p", "repetition_penalty", "repeat_penalty", "n", "parallel_tool_calls"}),
    response_format="value",
    continues_assistant=True,
    flags=frozen(enable_thinking="/no_think at the end of the question (Qwen3 hybrid models)"),
)
"""TGI has no thinking switch and no reasoning parser: `<think>` arrives in the content and is split off by this
package, and earlier reasoning cannot be sent back. Unknown fields are silently ignored."""

TRANSFORMERS = engine(
    name="transformers",
    title="transformers serve",
    evidence="measured on 5.24.0",
    start="transformers serve Qwen/Qwen3-8B --reasoning auto",
    signs=(Sign(row=frozen(owned_by="local", status=...)),),
    probe=Probe("/load_model", status=405),
    refusal=r"Unexpected fields in the request",
    effort=(KWARGS, "reasoning_effort"),
    preserve=None,
    unsupported=words(
        """
        audio function_call functions logprobs metadata modalities n parallel_tool_calls prediction presence_penalty
        response_format service_tier store top_logprobs user web_search_options
        """
    ),
    history_keys=(),
    tool_choice="ignored",
    structured_method="function_calling",
    strict_fields=True,
    own_fields=frozenset({"chat_template_kwargs", "generation_config"}),
    audio="audio_url",
    flags=frozen(
        reasoning="--reasoning auto",
        **dict.fromkeys(("top_k", "min_p", "repetition_penalty"), "generation_config (a JSON string) in extra_body"),
    ),
)
"""`transformers serve` answers 422 to any unknown field and ignores many that it knows. It drops earlier reasoning,
and the content of assistant messages with tool calls. Without `max_tokens` a reply ends after 1,024 tokens."""

LMDEPLOY = engine(
    name="lmdeploy",
    title="LMDeploy",
    evidence="source of 0.18.0",
    start="lmdeploy serve api_server Qwen/Qwen3-8B --reasoning-parser default --tool-call-parser qwen3",
    owned_by=("lmdeploy",),
    effort=(KWARGS, "reasoning_effort"),
    history_keys=("reasoning_content",),
    tool_choice="named_ignored",
    flags=frozen(
        reasoning="--reasoning-parser default",
        tools="--tool-call-parser qwen3 (qwen3coder for Coder and 3.5 or newer)",
    ),
)
"""LMDeploy. A top-level `enable_thinking` works, but is deprecated and overridden by `chat_template_kwargs`. A
top-level effort other than low, medium, high, max is a 422. Tools without a tool call parser are a 400. A named choice
narrows the list of tools but forces no call. Unknown fields are ignored."""

XINFERENCE = engine(
    name="xinference",
    title="Xinference",
    evidence="measured on 4.1.0 with its transformers engine",
    start="xinference launch --model-name qwen3 --size-in-billions 8 --model-engine vllm --reasoning-content true",
    owned_by=("xinference",),
    history_keys=("reasoning_content",),
    unsupported=frozenset({"n", "logprobs", "top_logprobs", "parallel_tool_calls"}),
    tool_choice="ignored",
    structured_method="function_calling",
    flags=frozen(reasoning="--reasoning-content true"),
)
"""Xinference. Measured on one engine only: `tool_choice`, `response_format`, `n` and `logprobs` are ignored, calls
stay in the text of streams (and are rescued), bad parameters are a 500. Source: an effort other than Qwen3.8's own
words is a 400, and so is an effort in both places; its vLLM engine takes `guided_*`."""

MS_SWIFT = engine(
    name="ms-swift",
    title="ms-swift",
    evidence="measured on 4.6.0 with its transformers engine",
    start="swift deploy --model Qwen/Qwen3-8B --infer_backend vllm --vllm_reasoning_parser qwen3",
    aliases=("swift",),
    owned_by=("swift",),
    thinking_default=False,
    effort=None,
    history_keys=(),
    own_templates=True,
    tool_choice="ignored",
    structured_method="function_calling",
    flags=frozen(reasoning="--infer_backend vllm --vllm_reasoning_parser qwen3"),
)
"""`swift deploy`. Thinking is off unless it is switched on, and comes inside the content, from which this package
splits it off; earlier reasoning under either key is dropped. Calls come parsed, and remain in the text too. A named
choice shows the model only that tool, `none` shows no tools, `required` forces nothing. Effort and budget are ignored.
A second system message is a 400 (`query_role: "system"`). Not measured: its vLLM engine, and the reasoning parser that
only this engine has (source)."""

MLX_LM = engine(
    name="mlx-lm",
    title="mlx-lm",
    evidence="source of 0.32.2",
    start="mlx_lm.server --model mlx-community/Qwen3-8B-4bit",
    signs=(Sign(row=frozen(object="model", created=..., owned_by=None), header=("server", r"BaseHTTP/.* Python/")),),
    effort=(KWARGS, "reasoning_effort"),
    unsupported=frozenset({"n", "parallel_tool_calls", "response_format"}),
    tool_choice="ignored",
    structured_method="function_calling",
)
"""mlx-lm's server. `response_format`, `tool_choice` and `n` are ignored; without `max_tokens` a reply ends after 512
tokens. Replies have `reasoning`; history goes to the template as sent, and Qwen's template reads
`reasoning_content`. It lists what is in Hugging Face's cache: of a model from ModelScope nothing, and without that
cache an empty reply, so that it is not recognised (https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/server.py). A
stop word is compared with whole tokens: `help` takes the word out of the text, but ends no reply whose token is ` help`
(measured; https://github.com/ml-explore/mlx-examples/issues/524). A call that is cut, and the text of its beginning,
never arrive (measured)."""

TENSORRT_LLM = engine(
    name="tensorrt-llm",
    title="TensorRT-LLM",
    evidence="source of November 2026",
    start="trtllm-serve Qwen/Qwen3-8B --reasoning_parser qwen3 --tool_parser qwen3",
    owned_by=("tensorrt_llm",),
    budget=("thinking_token_budget",),
    effort=(KWARGS, "reasoning_effort"),
    strict_fields=True,
    own_fields=frozenset({"top_k", "min_p", "repetition_penalty"}),
    flags=frozen(reasoning="--reasoning_parser qwen3", tools="--tool_parser qwen3"),
)
"""TensorRT-LLM's server. Unknown fields are an error; newer builds also refuse template switches that the template
does not use. A top-level effort is none, low, medium, high or max. `parallel_tool_calls` is accepted, but ignored."""

TABBY = engine(
    name="tabbyapi",
    title="tabbyAPI",
    evidence="source of August 2026",
    start="./start.sh  # with model_name, reasoning: true and a tool_format in config.yml",
    owned_by=("tabbyAPI",),
    budget=("reasoning_budget_tokens",),
    history_keys=("reasoning_content",),
    flags=frozen(
        reasoning="reasoning: true in config.yml",
        tools="tool_format in config.yml: qwen3_coder for Coder and 3.5 or newer",
        concurrency="max_batch_size in config.yml",
    ),
)
"""tabbyAPI (ExLlama). Unknown fields are ignored. Its parsers are off unless `config.yml` switches them on:
https://github.com/theroyallab/tabbyAPI/blob/main/config_sample.yml."""

LLAMA_CPP_PYTHON = without_switch(
    name="llama-cpp-python",
    title="llama-cpp-python's server",
    evidence="measured on 0.3.36",
    start="python -m llama_cpp.server --model Qwen3-8B-Q8_0.gguf --n_ctx 16384",
    owned_by=("me",),
    unsupported=frozenset({"n", "parallel_tool_calls"}),
    tool_choice="required_by_format",
    response_format="object_schema",
    flags=frozen(
        enable_thinking="/no_think at the end of the question (Qwen3 hybrid models)",
        concurrency="llama.cpp's own llama-server, or --interrupt_requests false: a second request breaks a stream off",
    ),
)
"""`python -m llama_cpp.server`. It answers one request at a time, and by default a second request aborts a running
stream. `<think>` and calls stay in the content, from which this package extracts them; earlier reasoning is dropped;
streams have no usage. `required` forces nothing (measured), so it is sent as a named choice, or as a schema for several
tools. A named call and a schema apply from the first token, so the model does not think. `json_schema` is a 500."""
