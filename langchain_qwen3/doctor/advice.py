"""Says how to fix what the doctor found. A start option is named only if the server's row has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_qwen3.errors import BadReplyError

if TYPE_CHECKING:
    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

NAME_SERVER = "Set --server (in Python server=)"
_CHOICE = re.compile(r"(.+) (\S+) \((\S+) for .*\)")
_WITHOUT_OPTION = {
    "engine": "No option of {title} is known to change this.",
    "hosted": "Only {title} itself can change this.",
    "gateway": NAME_SERVER + " to the server behind {title}: its own option for this is then shown.",
    "unknown": NAME_SERVER + ": the server's own option for this is then shown.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts about the server, known before its replies are read.

    Attributes:
        dialect: The server's row.
        line: The model's line, None when unknown.
        model: The examined model.
        models: The models that the server lists.
        contexts: Served model name → context length in tokens, if reported.
        version: The version that the server reports.
    """

    dialect: Dialect
    line: ModelLine | None
    model: str
    models: tuple[str, ...]
    contexts: Mapping[str, int]
    version: str


def find_option(flag: str, facts: Facts) -> str:
    """Return a value of `Dialect.flags`; of "--parser hermes (qwen3_coder for …)", only the choice for the line."""
    value = facts.dialect.flags.get(flag, "")
    choice = _CHOICE.fullmatch(value)
    if choice is None or facts.line is None:
        return value
    option, hermes, xml = choice.groups()
    return f"{option} {hermes if facts.line.tool_format == 'hermes' else xml}"


def find_named_flag(text: str, facts: Facts) -> str:
    """Return the key of the `Dialect.flags` whose option a server names in its error, else an empty text."""
    flags = facts.dialect.flags.items()
    return next((key for key, value in flags if value.startswith("-") and value.split()[0] in text), "")


def advise_option(flag: str, facts: Facts) -> str:
    """Return what to do where an option of the server may be missing.

    Args:
        flag: Key of `Dialect.flags`. Its value is an option or a phrase; a server may have none.
        facts: Facts about the server.
    """
    dialect = facts.dialect
    value = find_option(flag, facts)
    if not value:
        return _WITHOUT_OPTION[dialect.kind].format(title=dialect.title)
    return f"Start {dialect.title} with {value}" if value.startswith("-") else f"On {dialect.title}: {value}"


def advise_thinking_on(facts: Facts) -> str:
    """Return what to do when the model does not think with thinking on."""
    if facts.line is None:
        return f"Is {facts.model} a model that thinks? Its name does not say; Instruct models never do."
    return {
        "engine": "Is the model's own chat template in use? A template of the server may lack the thinking switch.",
        "hosted": f"Does {facts.dialect.title} offer thinking for this model?",
        "gateway": f"{NAME_SERVER} to the server behind {facts.dialect.title}: each has its own thinking switch.",
        "unknown": f"{NAME_SERVER}: each server has its own thinking switch.",
    }[facts.dialect.kind]


def advise_thinking_off(facts: Facts) -> str:
    """Return what to do when the model thinks with thinking off."""
    if "enable_thinking" in facts.dialect.flags:
        return advise_option("enable_thinking", facts)
    first = {
        "engine": "Is the model's own chat template in use? ",
        "hosted": "",
        "gateway": f"{NAME_SERVER} to the server behind {facts.dialect.title}. ",
        "unknown": f"{NAME_SERVER}: each server has its own thinking switch. ",
    }[facts.dialect.kind]
    if facts.line is None or facts.line.soft_switch:
        return f"{first}{'Or w' if first else 'W'}rite /no_think at the end of the question (Qwen3 hybrid models)."
    return first.strip() or advise_option("enable_thinking", facts)


def advise_update(facts: Facts) -> str:
    """Return what to do where the server itself is at fault."""
    if facts.dialect.kind == "hosted":
        return advise_option("", facts)
    title = "the server" if facts.dialect.kind == "unknown" else facts.dialect.title
    return f"A newer version of {title} may send it."


def advise_log(facts: Facts) -> str:
    """Return where to look for the cause of an odd reply."""
    return f"Ask {facts.dialect.title}." if facts.dialect.kind == "hosted" else "Check the server's log."


def advise_error(error: Exception, facts: Facts | None) -> str:
    """Return what to do about an error that gives no advice of its own; the facts are None before there is an API."""
    if facts is not None:
        return advise_log(facts)
    if isinstance(error, BadReplyError):
        return "Check base_url: what answers there is no OpenAI-compatible API. It usually ends in /v1."
    return "Check the server's log."
