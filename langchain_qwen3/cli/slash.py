"""The commands of `chat`: lines that begin with a slash."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from langchain_core.messages import BaseMessage, SystemMessage, convert_to_openai_messages

from langchain_qwen3.cli.connect import read_text
from langchain_qwen3.cli.conversation import Conversation, Turn

HELP = """\
/think          think before answering; a question may follow
/no_think       answer at once; a question may follow
/fold           show or hide the thinking
/system TEXT    set the system prompt; without TEXT show it, /system - removes it
/model NAME     use another model; without NAME list them
/retry          ask the last question again
/clear          clear the conversation
/save FILE      write the conversation, as Markdown or .json
/quit           leave, as Ctrl-D does
Alt-Enter, or \\ at the end of a line, begins a new line; Ctrl-C stops the answer"""


def run_command(conversation: Conversation, line: str) -> str:
    """Run a line that begins with `/`, and return the text to show; an error is shown, too, and ends nothing."""
    name, *rest = line.split(maxsplit=1)
    command = _COMMANDS.get(name.lower())
    if command is None:
        return f"{name} is not a command\n{HELP}"
    try:
        return command(conversation, "".join(rest).strip())
    except (OSError, RuntimeError, ValueError) as error:
        return f"{name}: {read_text(error)}"


def is_command(text: str) -> bool:
    """Return whether a message is a command; the only one of several lines is `/system`."""
    return text.startswith("/") and ("\n" not in text or text.split(maxsplit=1)[0].lower() == "/system")


def _think(conversation: Conversation, question: str, *, thinking: bool = True) -> str:
    conversation.thinking, conversation.to_ask = thinking, question
    return f"thinking is {'on' if thinking else 'off'}"


def _fold(conversation: Conversation, _: str) -> str:
    conversation.folded = not conversation.folded
    return f"thinking is {'hidden' if conversation.folded else 'shown'}"


def _set_system(conversation: Conversation, text: str) -> str:
    if text:
        conversation.system = "" if text == "-" else text
    return f"system prompt: {conversation.system}" if conversation.system else "there is no system prompt"


def _set_model(conversation: Conversation, name: str) -> str:
    if not name:
        current = conversation.llm.model_name
        return "\n".join(f"{'›' if one == current else ' '} {one}" for one in conversation.models or (current,))
    conversation.llm = conversation.llm.model_copy(update={"model_name": name})
    listed = not conversation.models or name in conversation.models
    return f"now using {name}" + ("" if listed else ", which the server does not list")


def _retry(conversation: Conversation, _: str) -> str:
    question = conversation.last.question
    if not question:
        return "there is no question yet"
    if conversation.last.kept:
        del conversation.messages[-2:]
        conversation.last.kept = False
    conversation.to_ask = question
    return ""


def _clear(conversation: Conversation, _: str) -> str:
    conversation.messages.clear()
    conversation.last = Turn()
    return "conversation cleared"


def _save(conversation: Conversation, name: str) -> str:
    if not name:
        return "/save needs the name of a file: /save chat.md"
    path = Path(name).expanduser()
    head: list[BaseMessage] = [SystemMessage(conversation.system)] if conversation.system else []
    write = write_json if path.suffix.lower() == ".json" else write_markdown
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(write([*head, *conversation.messages]))
    except FileExistsError:
        return f"{path} already exists: choose another name"
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return f"saved to {path}"


def _quit(conversation: Conversation, _: str) -> str:
    conversation.ended = True
    return ""


_COMMANDS: dict[str, Callable[[Conversation, str], str]] = {
    "/think": _think,
    "/no_think": partial(_think, thinking=False),
    "/fold": _fold,
    "/system": _set_system,
    "/model": _set_model,
    "/retry": _retry,
    "/clear": _clear,
    "/save": _save,
    "/quit": _quit,
    "/exit": _quit,
    "/bye": _quit,
    "/help": lambda *_: HELP,
    "/?": lambda *_: HELP,
}
COMMAND_NAMES = tuple(_COMMANDS)

_SPEAKERS = {"system": "System", "human": "You", "ai": "Model"}


def write_markdown(messages: list[BaseMessage]) -> str:
    """Return the messages as Markdown, with a heading for each."""
    return "\n".join(f"## {_SPEAKERS[message.type]}\n\n{message.text}\n" for message in messages)


def write_json(messages: list[BaseMessage]) -> str:
    """Return the messages as JSON, in OpenAI's form."""
    return json.dumps(convert_to_openai_messages(messages), ensure_ascii=False, indent=2) + "\n"
