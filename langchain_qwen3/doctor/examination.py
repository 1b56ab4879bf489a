"""The checks, one row each, and the runner that performs them one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any, NamedTuple

from langchain_qwen3.chat_model import ChatQwen3
from langchain_qwen3.doctor import readers
from langchain_qwen3.doctor.advice import Facts, advise_log, advise_option
from langchain_qwen3.doctor.findings import Diagnosis, Finding, Outcome
from langchain_qwen3.doctor.probes import BUDGET, PROBES, Evidence, Probe, ask
from langchain_qwen3.doctor.reach import Listing, ask_version, reach
from langchain_qwen3.errors import ErrorTranslator, Qwen3ConnectionError, StreamCutError, ToolChoiceError
from langchain_qwen3.fields import FOLLOWED, SDK_CLIENTS
from langchain_qwen3.servers.facts import resolve_served_line

Skip = Callable[[Facts], Outcome | None]


def _never_thinks(facts: Facts) -> Outcome | None:
    if facts.line is not None and facts.line.thinking == "never":
        return Outcome("skipped", f"{facts.line.name} never thinks")
    return None


def _cannot_switch_off(facts: Facts) -> Outcome | None:
    if facts.line is not None and facts.line.thinking != "hybrid":
        return Outcome("skipped", f"{facts.line.name} {facts.line.thinking} thinks")
    if not facts.dialect.has_thinking_switch:
        return Outcome("failed", f"{facts.dialect.title} has no switch", advise_option("enable_thinking", facts))
    return None


def _lacks_budget(facts: Facts) -> Outcome | None:
    if facts.dialect.budget is None:
        detail = f"{facts.dialect.title} has no field for it"
        if "thinking_budget" in facts.dialect.flags:
            return Outcome("failed", detail, advise_option("thinking_budget", facts))
        return Outcome("skipped", detail)
    return _never_thinks(facts)


def _cannot_set_parsers(facts: Facts) -> Outcome | None:
    if facts.dialect.kind == "hosted":
        return Outcome("skipped", "a hosted service: you cannot set its parsers")
    return _never_thinks(facts)


class Check(NamedTuple):
    """One check of the examination.

    Attributes:
        name: Identifier for programs.
        title: Title for users.
        probes: Names of the required requests; each request is sent once, even if several checks use it.
        read: Returns the outcome from the evidence of the probes, in their order, and the facts.
        skip: Returns the outcome if no request is needed, else None.
        flag: Key of `Dialect.flags` that may be missing if the request is refused.
    """

    name: str
    title: str
    probes: tuple[str, ...]
    read: Callable[..., Outcome]
    skip: Skip | None = None
    flag: str = ""


CHECKS = (
    Check("server", "server and version", (), readers.read_server),
    Check("models", "models and context", (), readers.read_models),
    Check("thinking_on", "thinking on", ("think",), readers.read_thinking_on, _never_thinks),
    Check("thinking_off", "thinking off", ("think_off",), readers.read_thinking_off, _cannot_switch_off),
    Check(
        "thinking_budget", "thinking budget", ("budget", "think"), readers.read_budget, _lacks_budget, "thinking_budget"
    ),
    Check(
        "reasoning_field", "reasoning in its own field", ("wire",), readers.read_reasoning_field, _cannot_set_parsers
    ),
    Check("streaming", "streaming", ("think",), readers.read_streaming),
    Check("stream_end", "end of streams", ("think",), readers.read_stream_end),
    Check("tools_auto", "tool call, auto", ("tool",), readers.read_tool_call, flag="tools"),
    Check("tools_forced", "tool call, forced", ("tool_forced",), readers.read_forced_call, flag="tools"),
    Check("tools_parallel", "tool calls, parallel", ("tools_parallel",), readers.read_parallel_calls, flag="tools"),
    Check("tools_streamed", "tool call, streamed", ("tool_streamed",), readers.read_streamed_call, flag="tools"),
    Check("structured", "schema with thinking", ("structured",), readers.read_structured),
    Check("stream_usage", "usage in streams", ("think",), readers.read_usage),
    Check("concurrency", "8 calls together", ("together",), readers.read_concurrency),
)
"""All checks in the order they are performed and shown, after `reachable`."""

TITLES: Mapping[str, str] = {"reachable": "reachable", **{check.name: check.title for check in CHECKS}}

# Fields of the user's model that say where the server is and how it is reached. No other may affect the examination.
_KEPT = FOLLOWED | SDK_CLIENTS | {"metadata", "name", "profile", "server", "stream_chunk_timeout", "tags"}


async def examine(
    model: ChatQwen3,
    *,
    on_start: Callable[[str], None] = lambda _title: None,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
) -> Diagnosis:
    """Test every feature of a server that `ChatQwen3` may use, and report what works.

    It sends 33 short requests of at most 1,024 tokens each. The model itself is not changed; of its settings only URL,
    key, name, server, timeout and headers are used.

    Args:
        model: The model, which also identifies the server. Without a name, it is the first one that the server lists.
        on_start: Called with the title of each check when it begins.
        on_finding: Called with each finding.

    Returns:
        The diagnosis, with all failures: nothing is raised for a server that fails.
    """
    others = {
        name: field.get_default(call_default_factory=True)
        for name, field in ChatQwen3.model_fields.items()
        if name not in _KEPT
    }
    neutral = model.model_copy(update={**others, "cache": False})
    neutral.model_fields_set.discard("streaming")  # an explicit False would disable streams
    return await _Examiner(neutral, on_start, on_finding).run()


class _Examiner:
    """One running examination."""

    def __init__(
        self, model: ChatQwen3, on_start: Callable[[str], None], on_finding: Callable[[Finding], None]
    ) -> None:
        self._model = model
        self._on_start = on_start
        self._on_finding = on_finding
        self._findings: list[Finding] = []
        self._evidence: dict[str, Evidence | Exception] = {}

    async def run(self) -> Diagnosis:
        """Reach the server, then perform every check."""
        named = bool(self._model.model_name)
        self._on_start(TITLES["reachable"])
        started_at = perf_counter()
        outcome, listing = await reach(self._model, named=named)
        if not named and listing.models:
            self._model = self._model.model_copy(update={"model_name": listing.models[0]})
        self._add("reachable", outcome, started_at)
        facts = None
        if outcome.status == "ok":
            facts = await self._gather_facts(listing)
            for check in CHECKS:
                await self._perform(check, facts)
        return Diagnosis(
            base_url=str(self._model.openai_api_base),
            model=self._model.model_name if facts or named else "",
            server=facts.dialect.title if facts else "",
            version=facts.version if facts else "",
            findings=tuple(self._findings),
        )

    async def _gather_facts(self, listing: Listing) -> Facts:
        model = self._model
        server = await model._adetect()  # noqa: SLF001  # our own
        dialect = model.dialect
        return Facts(
            dialect=dialect,
            line=resolve_served_line(model.model_name, dialect, server.models, model.model_line),
            model=model.model_name,
            models=listing.models,
            contexts=listing.contexts,
            version=await ask_version(model, dialect),
        )

    async def _perform(self, check: Check, facts: Facts) -> None:
        self._on_start(check.title)
        started_at = perf_counter()
        outcome = check.skip(facts) if check.skip else None
        if outcome is None and check.probes and isinstance(self._evidence.get("plain"), Exception):
            outcome = Outcome("skipped", "not asked, because no chat is answered")
        if outcome is None:
            outcome = await self._ask_and_read(check, facts)
        self._add(check.name, outcome, started_at)

    async def _ask_and_read(self, check: Check, facts: Facts) -> Outcome:
        evidence: list[Any] = []
        for name in check.probes:
            reply = await self._ask(name, facts)
            if _is_gone(reply) and "plain" not in self._evidence:
                return Outcome("failed", "the server no longer answers", advise_log(facts))
            if isinstance(reply, ToolChoiceError) and (lost := check.read(reply.reply, facts)).status == "failed":
                return lost  # the model made the call, but the server left it in the text or lost it
            if isinstance(reply, Exception):
                return readers.read_error(reply, _resolve_flag(check, facts), facts)
            evidence.append(reply)
        return check.read(*evidence, facts)

    async def _ask(self, name: str, facts: Facts) -> Evidence | Exception:
        """Send a request unless it was sent before, or the server is gone.

        If the very first one fails, a plain chat shows whether any can succeed: each of the others may wait for long.
        """
        if not self._evidence:
            self._evidence[name] = await self._try(name, facts)
            if isinstance(self._evidence[name], Exception):
                self._evidence["plain"] = plain = await self._try("plain", facts)
                return plain if isinstance(plain, Exception) else self._evidence[name]
        if name not in self._evidence:
            last = next(reversed(self._evidence.values()))
            self._evidence[name] = last if _is_gone(last) else await self._try(name, facts)
        return self._evidence[name]

    async def _try(self, name: str, facts: Facts) -> Evidence | Exception:
        model, probe = self._model, PROBES[name]
        if name == "plain":
            model = model.model_copy(update={"max_retries": 0})  # the request before it was tried often enough
        else:
            probe = _adapt(probe, facts)
        try:
            with ErrorTranslator(facts.dialect.name, str(model.openai_api_base), facts.model):
                return await ask(model, probe)
        except Exception as error:  # noqa: BLE001  # any error becomes the finding
            return error

    def _add(self, name: str, outcome: Outcome, started_at: float) -> None:
        seconds = perf_counter() - started_at
        finding = Finding(name=name, title=TITLES[name], seconds=seconds, **asdict(outcome))
        self._findings.append(finding)
        self._on_finding(finding)


def _adapt(probe: Probe, facts: Facts) -> Probe:
    """Return the probe without settings that this server or model does not know, and with the card's sampling.

    Cards forbid temperature 0 while thinking; without thinking, it makes the diagnosis reproducible.
    """
    settings = dict(probe.settings)
    thinks = bool(settings.get("enable_thinking"))
    if facts.line is not None and facts.line.thinking != "hybrid":
        thinks = facts.line.thinking == "always"
        del settings["enable_thinking"]
    elif not facts.dialect.has_thinking_switch:
        thinks = True  # a hybrid model does, if nothing can tell it not to
        del settings["enable_thinking"]
    if "thinking_budget" in settings:
        settings["thinking_budget"] = max(BUDGET, facts.dialect.budget_range[0])
    sampling = {"temperature": 0.6, "top_p": 0.95} if thinks else {"temperature": 0.0}
    return replace(probe, settings={**settings, **sampling})


def _resolve_flag(check: Check, facts: Facts) -> str:
    """Return the key of the flag that may be missing if the request is refused.

    If a grammar forces the call, the missing flag is the reasoning parser, not the tool parser: llama.cpp with
    `--reasoning-format none` answers 400 to any grammar while thinking is off (measured, November 2026).
    """
    forced_by_format = check.name == "tools_forced" and facts.dialect.tool_choice == "by_format"
    return "reasoning" if forced_by_format else check.flag


def _is_gone(reply: Evidence | Exception) -> bool:
    return isinstance(reply, Qwen3ConnectionError) and not isinstance(reply, StreamCutError)
