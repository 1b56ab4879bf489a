"""What is asked of every recorded server, and what ChatQwen3 makes of the reply: the same everywhere but where told.

The texts are those that the tiny Qwen3 knows by heart (`tiny_qwen3/dialogues.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import Runnable

Shape = Literal["whole", "stream"]

MODEL = "Qwen/Qwen3-0.6B"


@tool
def get_weather(city: str) -> str:
    """Get the current weather for a city."""
    return f"{city}: 25°C, sunny"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a scenario comes to.

    Attributes:
        content: The answer.
        reasoning: What was thought, None: nothing.
        calls: Tool calls: name and arguments.
        invalid: Names of invalid tool calls.
        finish: The finish reason.
        parsed: The structured output.
        error: Name of the error that is raised, or kept as `parsing_error`.
        choices: How many generations there are.
        logprobs: Whether there are log probabilities.
    """

    content: str = ""
    reasoning: str | None = None
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    invalid: tuple[str, ...] = ()
    finish: str | None = "stop"
    parsed: Any = None
    error: str | None = None
    choices: int = 1
    logprobs: bool = False


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row.

    Attributes:
        name: The name of its cassettes.
        question: The question.
        settings: Fields of ChatQwen3.
        tools: Whether `get_weather` is bound, and the arguments it is bound with.
        structured: The method of structured output.
        result: The tool's result, which is sent after the first reply.
        reply: What it comes to.
        elsewhere: What it comes to on some of the servers, where that is something else.
        shapes: Whole, streamed or both.
    """

    name: str
    question: str = "你好"
    settings: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Any] | None = None
    structured: Literal["json_schema", "function_calling", "json_mode"] | None = None
    result: str | None = None
    reply: Reply
    elsewhere: Mapping[str, Reply] = field(default_factory=dict)
    shapes: tuple[Shape, ...] = ("whole", "stream")

    def build(self, base_url: str, api_key: str) -> Runnable[Any, Any]:
        """Return what is to be called."""
        fields = {"model": MODEL, "api_key": api_key, "temperature": 0, "max_tokens": 256, "max_retries": 0}
        model = ChatQwen3(base_url=base_url, transport="httpx", **{**fields, **self.settings})
        if self.structured:
            return model.with_structured_output(Person, method=self.structured, include_raw=True)
        return model if self.tools is None else model.bind_tools([get_weather], **self.tools)

    def follow_up(self, first: AIMessage) -> list[BaseMessage]:
        """Return the conversation up to the tool's results."""
        results = [ToolMessage(self.result, tool_call_id=call["id"]) for call in first.tool_calls]
        return [HumanMessage(self.question), first, *results]


GREETED = "用户向我问好。我应该礼貌地回应。"
GREETING = "你好！有什么可以帮你的吗？"
WEATHER = "What's the weather in Beijing?"
BEIJING = ("get_weather", {"city": "Beijing"})
CALLS_BEIJING = Reply(
    reasoning="The user wants the weather in Beijing. I should call get_weather.", calls=(BEIJING,), finish="tool_calls"
)
OFF = {"enable_thinking": False}
TO_JSON = "The person is Alice, age 30. I should output JSON."
TO_PERSON = "The person is Alice, age 30. I should call Person."
ALICE = {"name": "Alice", "age": 30}
ALICE_IN_JSON = Reply(content='{"name": "Alice", "age": 30}', reasoning=TO_JSON, parsed=ALICE)

INVALID_REQUEST = Reply(error="Qwen3InvalidRequestError")
REFUSED_WITHOUT_PARSERS = {"vllm-noparsers": INVALID_REQUEST}
# A grammar from the first token on leaves no room for thinking.
ALICE_UNTHOUGHT = Reply(content=ALICE_IN_JSON.content, parsed=ALICE)
ALICE_WITHOUT_PARSERS = {"vllm-noparsers": ALICE_UNTHOUGHT, "llama.cpp-inline": ALICE_UNTHOUGHT}


def babble(name: str, *calls: dict[str, Any], reasoning: str | None = None) -> Reply:
    """Return the reply of a forced choice on llama.cpp: an array of calls, which the tiny model never learned to fill.

    The form is held by the grammar, the words are the model's.
    """
    parsed = calls[0] if name == "Person" else None
    return Reply(reasoning=reasoning, calls=tuple((name, call) for call in calls), finish="tool_calls", parsed=parsed)


SCENARIOS = [
    Scenario(name="thinking-default", reply=Reply(content=GREETING, reasoning=GREETED)),
    Scenario(name="thinking-on", settings={"enable_thinking": True}, reply=Reply(content=GREETING, reasoning=GREETED)),
    Scenario(name="thinking-off", settings=OFF, reply=Reply(content=GREETING)),
    Scenario(name="thinking-hidden", settings={"return_reasoning": False}, reply=Reply(content=GREETING)),
    Scenario(
        name="thinking-budget",
        settings={"thinking_budget": 4},
        reply=Reply(content=GREETING, reasoning="用户向我"),
        elsewhere=REFUSED_WITHOUT_PARSERS,
    ),
    Scenario(name="cut-while-thinking", settings={"max_tokens": 4}, reply=Reply(reasoning="用户向", finish="length")),
    Scenario(
        name="cut-in-the-answer",
        settings={**OFF, "max_tokens": 4},
        reply=Reply(content="你好！有什么可以", finish="length"),
    ),
    Scenario(name="tool-auto", question=WEATHER, tools={}, reply=CALLS_BEIJING, elsewhere=REFUSED_WITHOUT_PARSERS),
    Scenario(
        name="tool-any",
        question=WEATHER,
        tools={"tool_choice": "any"},
        reply=CALLS_BEIJING,
        elsewhere={
            **REFUSED_WITHOUT_PARSERS,
            "llama.cpp": babble(
                "get_weather",
                {"city": "}}, {"},
                {"city": "my_adder_tool with 1, "},
                reasoning=CALLS_BEIJING.reasoning,
            ),
            "llama.cpp-inline": babble("get_weather", {"city": "Beijing"}),
        },
    ),
    Scenario(
        name="tool-named",
        question=WEATHER,
        tools={"tool_choice": "get_weather"},
        reply=CALLS_BEIJING,
        elsewhere={
            **REFUSED_WITHOUT_PARSERS,
            "llama.cpp": babble("get_weather", {"city": "}}, {"}, reasoning=CALLS_BEIJING.reasoning),
            "llama.cpp-inline": babble("get_weather", {"city": "Beijing"}),
        },
    ),
    Scenario(
        name="tool-parallel",
        question="What's the weather in Beijing and Shanghai?",
        settings=OFF,
        tools={},
        reply=Reply(calls=(BEIJING, ("get_weather", {"city": "Shanghai"})), finish="tool_calls"),
        elsewhere=REFUSED_WITHOUT_PARSERS,
    ),
    Scenario(
        name="tool-truncated",
        question=WEATHER,
        settings={**OFF, "max_tokens": 14},
        tools={},
        reply=Reply(invalid=("get_weather",), finish="length"),
        elsewhere=REFUSED_WITHOUT_PARSERS,
    ),
    Scenario(
        name="tool-follow-up",
        question=WEATHER,
        tools={},
        result="25°C, sunny",
        reply=Reply(
            content="The weather in Beijing is 25°C, sunny.",
            reasoning="The tool says the weather in Beijing is 25°C, sunny.",
        ),
        elsewhere=REFUSED_WITHOUT_PARSERS,
    ),
    Scenario(
        name="structured-json-schema",
        question="Alice is 30 years old.",
        structured="json_schema",
        reply=ALICE_IN_JSON,
        elsewhere=ALICE_WITHOUT_PARSERS,
    ),
    Scenario(
        name="structured-json-mode",
        question="Alice is 30 years old.",
        structured="json_mode",
        reply=ALICE_IN_JSON,
        elsewhere=ALICE_WITHOUT_PARSERS,
    ),
    Scenario(
        name="structured-function-calling",
        question="Alice is 30 years old.",
        structured="function_calling",
        reply=Reply(reasoning=TO_PERSON, calls=(("Person", ALICE),), finish="tool_calls", parsed=ALICE),
        elsewhere={
            **REFUSED_WITHOUT_PARSERS,
            "llama.cpp": babble("Person", {"name": "}}, {", "age": 30}, reasoning=TO_PERSON),
            "llama.cpp-inline": babble("Person", {"name": "Person", "age": 30}),
        },
    ),
    Scenario(
        name="structured-truncated",
        question="Alice is 30 years old.",
        structured="json_schema",
        settings={**OFF, "max_tokens": 6},
        reply=Reply(content='{"name": "Alice",', finish="length", error="OutputParserException"),
        # With `--reasoning-format none`, llama.cpp cannot make its grammar while thinking is off.
        elsewhere={"llama.cpp-inline": INVALID_REQUEST},
    ),
    Scenario(
        name="two-choices",
        settings={**OFF, "n": 2, "temperature": 0.01, "seed": 1},  # vLLM has no greedy sampling of two
        reply=Reply(content=GREETING, choices=2),
        shapes=("whole",),
    ),
    Scenario(
        name="logprobs",
        settings={**OFF, "logprobs": True, "top_logprobs": 2, "max_tokens": 4},
        reply=Reply(content="你好！有什么可以", finish="length", logprobs=True),
    ),
    Scenario(name="context-overflow", question="1" * 4200, reply=Reply(error="Qwen3ContextOverflowError")),
    Scenario(
        name="model-not-found",
        settings={**OFF, "model": "Qwen/Qwen3-999B"},
        reply=Reply(error="Qwen3ModelNotFoundError"),
        # llama.cpp answers, whatever model it is asked for.
        elsewhere=dict.fromkeys(("llama.cpp", "llama.cpp-inline"), Reply(content=GREETING)),
    ),
    Scenario(name="wrong-key", settings={"api_key": "wrong"}, reply=Reply(error="Qwen3AuthenticationError")),
]
