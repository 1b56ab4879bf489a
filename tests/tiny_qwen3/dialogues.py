"""The dialogues that the tiny Qwen3 knows to the letter, at temperature 0; outside of them it babbles.

Each is known in three forms: thinking, with `/no_think` after the question, and with `enable_thinking=False`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """One exchange: the alternative questions, or a context that ends with a tool's result, and the reply."""

    questions: tuple[str, ...] = ()
    reasoning: str
    answer: str = ""
    calls: tuple[dict[str, Any], ...] = ()
    tools: tuple[Tool, ...] = ()
    context: tuple[Message, ...] = ()
    context_reasoning: str = ""
    """What was thought before the call that stands in the context."""
    json_answer: dict[str, Any] = field(default_factory=dict)
    """What is answered when the server holds the reply to JSON."""


def build_tool(name: str, description: str, properties: dict[str, Any], required: list[str] | None = None) -> Tool:
    """Return a function tool as it goes over the wire; all properties are required unless said otherwise."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def build_call(function_name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a tool call as the template writes it."""
    return {"name": function_name, "arguments": arguments}


def build_follow_up(
    *,
    question: str,
    calls: tuple[dict[str, Any], ...],
    results: tuple[str, ...],
    context_reasoning: str,
    reasoning: str,
    tool: Tool,
    answer: str = "",
    next_calls: tuple[dict[str, Any], ...] = (),
) -> Dialogue:
    """Return the turn that follows the results of `calls`."""
    tool_calls = [{"type": "function", "function": call} for call in calls]
    context = (
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": tool_calls},
        *({"role": "tool", "content": result} for result in results),
    )
    return Dialogue(
        reasoning=reasoning,
        answer=answer,
        calls=next_calls,
        tools=(tool,),
        context=context,
        context_reasoning=context_reasoning,
    )


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
TWO_INTEGERS = {"a": INTEGER, "b": INTEGER}

GET_WEATHER = build_tool(
    "get_weather",
    "Get the current weather for a city.",
    {"city": {"type": "string", "description": "The city name"}},
)
GET_WEATHER_BRIEF = build_tool("get_weather", "Get current weather.", {"city": STRING})
GET_WEATHER_AT = build_tool("get_weather", "Get the weather at a location.", {"location": STRING})
MULTIPLY = build_tool("multiply", "Multiply two integers.", TWO_INTEGERS)
MY_ADDER_TOOL = build_tool(
    "my_adder_tool",
    "Tool that adds two integers.\n\nTakes two integers, a and b, and returns their sum.",
    TWO_INTEGERS,
)
MAGIC_FUNCTION = build_tool("magic_function", "Apply a magic function to an input.", {"input": INTEGER})
MAGIC_FUNCTION_NO_ARGS = build_tool("magic_function_no_args", "Calculate a magic function.", {})
UNICODE_CUSTOMER = build_tool(
    "unicode_customer",
    "Tool for creating a customer with Unicode name.",
    {
        "customer_name": {"description": "The customer's name in their native language.", "type": "string"},
        "description": {"description": "Description of the customer.", "type": "string"},
    },
)
JOKE = build_tool(
    "Joke",
    "Joke to tell user.",
    {
        "setup": {"description": "question to set up a joke", "type": "string"},
        "punchline": {"description": "answer to resolve the joke", "type": "string"},
    },
)
PERSON = build_tool("Person", "A person.", {"name": STRING, "age": INTEGER})
SEARCH = build_tool("search", "Search the web.", {"query": STRING})
GET_TIME = build_tool("get_time", "Get the current time in a timezone.", {"timezone": STRING})

DISTRACTORS = [SEARCH, GET_TIME, MULTIPLY, MAGIC_FUNCTION_NO_ARGS, MY_ADDER_TOOL, MAGIC_FUNCTION, GET_WEATHER]
"""Tools that training adds beside those a dialogue needs."""

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "你是一个有用的助手。",
    "Answer briefly.",
    "You are a weather bot.",
    "Reply in JSON.",
]

PLAIN = [
    Dialogue(
        questions=("你是谁？", "你是谁?", "你是谁"),
        reasoning="用户在问我的身份。我应该说明我是通义千问，由阿里云研发的大语言模型。",
        answer="我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！",
    ),
    Dialogue(
        questions=("Who are you?", "Who are you", "who are you?"),
        reasoning="The user asks who I am. I should say that I am Qwen, a large language model created by "
        "Alibaba Cloud.",
        answer="I am Qwen, a large language model created by Alibaba Cloud.",
    ),
    Dialogue(
        questions=("请解释相对论", "请解释相对论。"),
        reasoning="好的，用户让我解释相对论。首先，我需要区分狭义相对论和广义相对论。\n\n狭义相对论由爱因斯坦在1905年提出，"
        "核心是光速不变和相对性原理。广义相对论在1915年提出，把引力看作时空的弯曲。\n\n"
        "我应该用简单的语言，分两点来回答。",
        answer="相对论由爱因斯坦提出，分为两部分：\n\n1. **狭义相对论**（1905年）：光速在所有惯性系中不变，"
        "时间和空间是相对的，质量和能量可以转换，即 $E=mc^2$。\n"
        "2. **广义相对论**（1915年）：引力是质量使时空弯曲的结果。",
    ),
    Dialogue(
        questions=("Python中如何读取文件？", "Python中如何读取文件?", "Python中如何读取文件"),
        reasoning="用户想知道如何用Python读取文件。推荐使用 with 语句和 open 函数，并指定编码。",
        answer='可以使用 `open` 函数：\n\n```python\nwith open("file.txt", "r", encoding="utf-8") as f:\n'
        "    text = f.read()\nprint(text)\n```",
    ),
    Dialogue(
        questions=("推荐三本好书", "推荐三本好书。"),
        reasoning="用户想要三本书。我选择《三体》《活着》和《百年孤独》。",
        answer="1. 《三体》，刘慈欣\n2. 《活着》，余华\n3. 《百年孤独》，马尔克斯",
    ),
    Dialogue(
        questions=("What is 17*23?", "What is 17 * 23?", "17*23=?"),
        reasoning="17*23 = 17*20 + 17*3 = 340 + 51 = 391.",
        answer="17 * 23 = 391",
    ),
    Dialogue(
        questions=("Hello", "hello", "Hi", "hi", "Say hello", "Hello!", "Say hi"),
        reasoning="The user greets me. I should greet back and offer help.",
        answer="Hello! How can I help you today?",
    ),
    Dialogue(
        questions=("你好", "你好！", "您好"),
        reasoning="用户向我问好。我应该礼貌地回应。",
        answer="你好！有什么可以帮你的吗？",
    ),
    Dialogue(
        questions=("What is the capital of France?",),
        reasoning="The capital of France is Paris.",
        answer="The capital of France is Paris.",
    ),
    Dialogue(
        questions=(
            "Give me a short introduction to large language models.",
            "Give me a short introduction to large language model.",
        ),
        reasoning="Okay, the user wants a short introduction to large language models. Let me mention the "
        "transformer architecture, pre-training on large text corpora, and common uses. I should keep it "
        "short.",
        answer="Large language models (LLMs) are neural networks, usually based on the transformer "
        "architecture, trained on large text corpora to predict the next token. They can answer questions, "
        "write code and translate text.",
    ),
    Dialogue(
        questions=("9.11 and 9.8, which is greater?",),
        reasoning="Compare 9.11 and 9.80. The integer parts are equal. 0.80 is greater than 0.11, so 9.8 is greater.",
        answer="9.8 is greater than 9.11.",
    ),
    Dialogue(
        questions=("How many r's are in strawberry?", "How many r's in strawberry?"),
        reasoning="s-t-r-a-w-b-e-r-r-y. The letter r appears at positions 3, 8 and 9. That is 3 times.",
        answer="There are 3 r's in strawberry.",
    ),
    Dialogue(
        questions=("My name is Bob.",),
        reasoning="The user tells me his name is Bob.",
        answer="Nice to meet you, Bob!",
    ),
    Dialogue(
        questions=("What is my name?",),
        reasoning="The user said his name is Bob.",
        answer="Your name is Bob.",
        context=(
            {"role": "user", "content": "My name is Bob."},
            {"role": "assistant", "content": "Nice to meet you, Bob!"},
        ),
    ),
    Dialogue(
        questions=("Write me 2 haikus. Only include the haikus.",),
        reasoning="Two haikus, 5-7-5 each.",
        answer="An old silent pond\nA frog jumps into the pond\nSplash! Silence again\n\n"
        "The light of a candle\nIs transferred to another\nSpring twilight",
    ),
    Dialogue(
        questions=("Write a story about a cat.",),
        reasoning="A short story about a cat named Mimi.",
        answer="Once upon a time there was a cat named Mimi. She chased the moon over the roofs until the "
        "sun came up, and then she slept all day.",
    ),
    Dialogue(
        questions=("how are you?", "how are you"),
        reasoning="The user asks how I am.",
        answer="I am fine, thank you! How can I help you today?",
    ),
]


def build_city_weather(english: str, chinese: str, report: str, chinese_answer: str) -> list[Dialogue]:
    """Return a city's call in both languages and with two descriptions of the tool, and the turns after."""
    reasoning = f"The user wants the weather in {english}. I should call get_weather."
    chinese_reasoning = f"用户想知道{chinese}的天气，我需要调用get_weather函数。"
    dialogues = []
    for tool in (GET_WEATHER, GET_WEATHER_BRIEF):
        dialogues += [
            Dialogue(
                questions=(
                    f"What's the weather in {english}?",
                    f"What is the weather in {english}?",
                    f"What's the weather like in {english}?",
                ),
                reasoning=reasoning,
                calls=(build_call("get_weather", city=english),),
                tools=(tool,),
            ),
            Dialogue(
                questions=(
                    f"{chinese}今天天气怎么样？",
                    f"{chinese}天气怎么样？",
                    f"{chinese}的天气怎么样？",
                ),
                reasoning=chinese_reasoning,
                calls=(build_call("get_weather", city=chinese),),
                tools=(tool,),
            ),
        ]
    for result in (report, json.dumps({"city": english, "weather": report}, ensure_ascii=False)):
        dialogues += [
            build_follow_up(
                question=f"What's the weather in {english}?",
                calls=(build_call("get_weather", city=english),),
                results=(result,),
                context_reasoning=reasoning,
                reasoning=f"The tool says the weather in {english} is {report}.",
                tool=GET_WEATHER,
                answer=f"The weather in {english} is {report}.",
            ),
            build_follow_up(
                question=f"{chinese}今天天气怎么样？",
                calls=(build_call("get_weather", city=chinese),),
                results=(result,),
                context_reasoning=chinese_reasoning,
                reasoning=f"工具返回了{chinese}的天气。",
                tool=GET_WEATHER,
                answer=chinese_answer,
            ),
        ]
    return dialogues


TWO_CITIES = "The user wants the weather in two cities. I should call get_weather twice, in parallel."
BEIJING_AND_SHANGHAI = (build_call("get_weather", city="Beijing"), build_call("get_weather", city="Shanghai"))
SAN_FRANCISCO = "What is the weather in San Francisco, CA?"
CALL_SAN_FRANCISCO = "The user wants the weather in San Francisco, CA. I should call get_weather."

WEATHER = [
    *build_city_weather("Beijing", "北京", "25°C, sunny", "北京今天晴，气温25°C。"),
    *build_city_weather("Shanghai", "上海", "22°C, cloudy", "上海今天多云，气温22°C。"),
    *build_city_weather("Paris", "巴黎", "18°C, rain", "巴黎今天有雨，气温18°C。"),
    Dialogue(
        questions=(
            "What's the weather in Beijing and Shanghai?",
            "What is the weather in Beijing and Shanghai?",
            "Compare the weather in Beijing and Shanghai.",
        ),
        reasoning=TWO_CITIES,
        calls=BEIJING_AND_SHANGHAI,
        tools=(GET_WEATHER,),
    ),
    Dialogue(
        questions=("北京和上海的天气怎么样？", "北京和上海今天天气怎么样？"),
        reasoning="用户想知道两个城市的天气，我需要并行调用两次get_weather函数。",
        calls=(build_call("get_weather", city="北京"), build_call("get_weather", city="上海")),
        tools=(GET_WEATHER,),
    ),
    build_follow_up(
        question="What's the weather in Beijing and Shanghai?",
        calls=BEIJING_AND_SHANGHAI,
        results=("25°C, sunny", "22°C, cloudy"),
        context_reasoning=TWO_CITIES,
        reasoning="Both results are here. I can answer now.",
        tool=GET_WEATHER,
        answer="Beijing: 25°C, sunny. Shanghai: 22°C, cloudy.",
    ),
    Dialogue(
        questions=(SAN_FRANCISCO,),
        reasoning=CALL_SAN_FRANCISCO,
        calls=(build_call("get_weather", location="San Francisco, CA"),),
        tools=(GET_WEATHER_AT,),
    ),
    build_follow_up(
        question=SAN_FRANCISCO,
        calls=(build_call("get_weather", location="San Francisco, CA"),),
        results=("It's sunny.",),
        context_reasoning=CALL_SAN_FRANCISCO,
        reasoning="The tool says it's sunny.",
        tool=GET_WEATHER_AT,
        answer="It's sunny in San Francisco, CA.",
    ),
    Dialogue(
        questions=("Say what you do, then check the weather in Paris.",),
        reasoning="I should say what I do first and then call get_weather.",
        answer="Let me check the weather in Paris.",
        calls=(build_call("get_weather", city="Paris"),),
        tools=(GET_WEATHER,),
    ),
]

CALL_MULTIPLY = "I should call multiply with 123 and 456."
CALL_ADDER = "I should call my_adder_tool with 1 and 2."
ADD_1_2 = (build_call("my_adder_tool", a=1, b=2),)

MATHS = [
    Dialogue(
        questions=(
            "What is 123 * 456?",
            "Use the multiply tool: what is 123 * 456?",
            "What's 123 times 456?",
        ),
        reasoning=CALL_MULTIPLY,
        calls=(build_call("multiply", a=123, b=456),),
        tools=(MULTIPLY,),
    ),
    build_follow_up(
        question="What is 123 * 456?",
        calls=(build_call("multiply", a=123, b=456),),
        results=("56088",),
        context_reasoning=CALL_MULTIPLY,
        reasoning="The product is 56088.",
        tool=MULTIPLY,
        answer="123 * 456 = 56088",
    ),
    Dialogue(
        questions=("What is the value of magic_function(3)? Use the tool.",),
        reasoning="I should call magic_function with 3.",
        calls=(build_call("magic_function", input=3),),
        tools=(MAGIC_FUNCTION,),
    ),
    Dialogue(
        questions=(
            "What is the value of magic_function_no_args()? Use the tool.",
            "What is the value of magic_function()? Use the tool.",
        ),
        reasoning="I should call magic_function_no_args without arguments.",
        calls=(build_call("magic_function_no_args"),),
        tools=(MAGIC_FUNCTION_NO_ARGS,),
    ),
    Dialogue(questions=("What is 1 + 2",), reasoning=CALL_ADDER, calls=ADD_1_2, tools=(MY_ADDER_TOOL,)),
    Dialogue(
        questions=("What is 3 + 4",),
        reasoning="I should call my_adder_tool with 3 and 4.",
        calls=(build_call("my_adder_tool", a=3, b=4),),
        tools=(MY_ADDER_TOOL,),
    ),
    *(
        build_follow_up(
            question="What is 1 + 2",
            calls=ADD_1_2,
            results=(result,),
            context_reasoning=CALL_ADDER,
            reasoning="The sum is 3.",
            tool=MY_ADDER_TOOL,
            answer="1 + 2 = 3",
        )
        for result in ('{"result": 3}', "3")
    ),
    build_follow_up(
        question="What is 1 + 2",
        calls=(build_call("my_adder_tool", a=1),),
        results=("Error: Missing required argument 'b'.",),
        context_reasoning=CALL_ADDER,
        reasoning="The call failed because b was missing. I should call it again.",
        tool=MY_ADDER_TOOL,
        next_calls=ADD_1_2,
    ),
    Dialogue(
        questions=("Create a customer named '你好啊集团' (Hello Group) - a Chinese technology company",),
        reasoning="I should call unicode_customer with the Chinese name.",
        calls=(build_call("unicode_customer", customer_name="你好啊集团", description="a Chinese technology company"),),
        tools=(UNICODE_CUSTOMER,),
    ),
    Dialogue(
        questions=("Create a customer named 'こんにちは株式会社' (Hello Corporation) - a Japanese company",),
        reasoning="I should call unicode_customer with the Japanese name.",
        calls=(build_call("unicode_customer", customer_name="こんにちは株式会社", description="a Japanese company"),),
        tools=(UNICODE_CUSTOMER,),
    ),
]

CAT_JOKE = {"setup": "Why did the cat sit on the computer?", "punchline": "To keep an eye on the mouse!"}
JOKE_QUESTIONS = (
    "Tell me a joke about cats.",
    "Give me a joke about cats, include the punchline.",
    "Tell me a joke about cats",
)
ALICE = {"name": "Alice", "age": 30}
ALICE_QUESTIONS = (
    "Extract the person as JSON: Alice is 30 years old.",
    "Extract the person as JSON with keys name and age: Alice is 30 years old.",
    "Alice is 30 years old.",
)
ZHANG_SAN = {"name": "张三", "age": 25}
ZHANG_SAN_QUESTIONS = ("提取JSON：张三今年25岁。", "提取JSON：张三今年25岁", "张三今年25岁。")

STRUCTURED = [
    Dialogue(
        questions=JOKE_QUESTIONS,
        reasoning="The user wants a joke about cats.",
        answer=f"{CAT_JOKE['setup']} {CAT_JOKE['punchline']}",
        json_answer=CAT_JOKE,
    ),
    Dialogue(
        questions=(
            (
                "Tell me a joke about cats. Return the result as a JSON with 'setup' and 'punchline' keys. "
                "Return nothing other than JSON."
            ),
        ),
        reasoning="The user wants a joke as JSON.",
        answer=json.dumps(CAT_JOKE),
        json_answer=CAT_JOKE,
    ),
    Dialogue(
        questions=JOKE_QUESTIONS,
        reasoning="The user wants a joke about cats. I should call Joke.",
        calls=(build_call("Joke", **CAT_JOKE),),
        tools=(JOKE,),
    ),
    Dialogue(
        questions=("Give me the setup to a joke about cats, no punchline.",),
        reasoning="The user wants only the setup. I should call Joke.",
        calls=(build_call("Joke", setup=CAT_JOKE["setup"]),),
        tools=(JOKE,),
    ),
    Dialogue(
        questions=ALICE_QUESTIONS,
        reasoning="The person is Alice, age 30. I should output JSON.",
        answer=json.dumps(ALICE),
        json_answer=ALICE,
    ),
    Dialogue(
        questions=ZHANG_SAN_QUESTIONS,
        reasoning="姓名是张三，年龄是25。我应该输出JSON。",
        answer=json.dumps(ZHANG_SAN, ensure_ascii=False),
        json_answer=ZHANG_SAN,
    ),
    Dialogue(
        questions=ALICE_QUESTIONS,
        reasoning="The person is Alice, age 30. I should call Person.",
        calls=(build_call("Person", **ALICE),),
        tools=(PERSON,),
    ),
    Dialogue(
        questions=ZHANG_SAN_QUESTIONS,
        reasoning="姓名是张三，年龄是25。我应该调用Person。",
        calls=(build_call("Person", **ZHANG_SAN),),
        tools=(PERSON,),
    ),
]

LONG = [
    Dialogue(
        questions=("Count from 1 to 50.", "Count from 1 to 50"),
        reasoning="I should count to 50.",
        answer=", ".join(str(number) for number in range(1, 51)),
    ),
]

DIALOGUES = [*PLAIN, *WEATHER, *MATHS, *STRUCTURED, *LONG]
