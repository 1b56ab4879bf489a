"""The commands and their options. A command imports what it needs when it runs.

So `--help`, `--version` and completion answer at once. Each command is a function here, and a module of the same name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langchain_qwen3 import __version__
from langchain_qwen3.cli.batch import BatchCommand, batch
from langchain_qwen3.cli.options import (
    ApiKey,
    AsJson,
    Model,
    Server,
    System,
    Target,
    Temperature,
    Thinking,
    Timeout,
    Url,
)

commands = typer.Typer(
    name="langchain-qwen3",
    help="Chat with, examine and benchmark a Qwen3 server, process files with it, or run one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"langchain-qwen3-chat {__version__}")
        raise typer.Exit


@commands.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@commands.command()
def ask(  # noqa: PLR0913  # the options of a command
    question: Annotated[str | None, typer.Argument(help="The question. Piped input is appended to it.")] = None,
    url: Url = None,
    *,
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 600.0,
    system: System = "",
    thinking: Thinking = None,
    temperature: Temperature = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Maximum length of the reply in tokens.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question. In a pipe, only the answer is written.

    Exit status: 0, 1 when the answer is not whole, 2 when there is none.
    """
    from langchain_qwen3.cli.ask import run

    fields = {"temperature": temperature, "max_tokens": max_tokens}
    target = Target(url, model, api_key, server, timeout)
    run(question, target, fields, system=system, thinking=thinking, as_json=as_json)


@commands.command()
def chat(  # noqa: PLR0913  # the options of a command
    url: Url = None,
    *,
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 600.0,
    system: System = "",
    thinking: Thinking = None,
    temperature: Temperature = None,
) -> None:
    """Talk to a model. /help shows the commands; Ctrl-C stops the answer, not the program.

    In a pipe, each line is a message, and only the answers are written.
    """
    from langchain_qwen3.cli.chat import run

    run(Target(url, model, api_key, server, timeout), system=system, thinking=thinking, temperature=temperature)


@commands.command()
def models(
    url: Url = None,
    *,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """List the models of a server, one per line, with context lengths if the server tells them."""
    from langchain_qwen3.cli.models import run

    run(Target(url, None, api_key, server, timeout), as_json=as_json)


@commands.command()
def doctor(  # noqa: PLR0913  # the options of a command
    url: Url = None,
    *,
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 120.0,
    as_json: AsJson = False,
) -> None:
    """Check what a server can do, and what to change for the rest.

    It sends about 30 short requests.

    Exit status: 0, 1 when a check failed, 2 when the server cannot be used.
    """
    from langchain_qwen3.cli.doctor import run

    run(Target(url, model, api_key, server, timeout), as_json=as_json)


@commands.command()
def bench(  # noqa: PLR0913  # the options of a command
    url: Url = None,
    *,
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 600.0,
    streams: Annotated[str, typer.Option(help="Concurrent streams, one level after another.")] = "1,2,4,8",
    requests: Annotated[
        int | None, typer.Option(min=1, help="Requests per level. Default: the highest number of streams.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum length of a reply in tokens.")] = 128,
    prompt: Annotated[str, typer.Option(help="The question.")] = "Count from 1 to 50.",
    thinking: Thinking = None,
    as_json: AsJson = False,
    plot: Annotated[Path | None, typer.Option(help="Also save a plot: out.png, .svg or .pdf (extra plot).")] = None,
) -> None:
    """Measure throughput, time to first token and time between tokens with 1, 2, 4 … concurrent streams.

    Every level sends the same requests, after one for warm-up.

    Exit status: 0, 1 when a request failed, 2 when the server cannot be used.
    """
    from langchain_qwen3.cli.bench import run

    settings = {"max_tokens": max_tokens, "enable_thinking": thinking}
    target = Target(url, model, api_key, server, timeout)
    run(target, prompt, settings, streams=streams, requests=requests, as_json=as_json, plot=plot)


@commands.command()
def serve(  # noqa: PLR0913  # the options of a command
    model: Annotated[
        str,
        typer.Argument(
            help="A GGUF file, or a repository: Qwen/Qwen3-0.6B-GGUF, Qwen/Qwen3-0.6B-GGUF:Q8_0 or a file's name "
            "there; the prefix modelscope: selects ModelScope instead of Hugging Face (extra download)."
        ),
    ],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the served model. Default: the file's name without its extension.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. By default only this machine can connect; 0.0.0.0 allows every machine."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 selects a free one.")] = 8000,
    api_key: Annotated[str | None, typer.Option(help="API key that requests must send.")] = None,
    n_ctx: Annotated[int, typer.Option("--n-ctx", min=1, help="Context length of one request, in tokens.")] = 8192,
    n_parallel: Annotated[int, typer.Option("--n-parallel", min=1, help="Requests answered at the same time.")] = 4,
    n_threads: Annotated[
        int | None, typer.Option("--n-threads", min=1, help="CPU threads. Default: the physical cores.")
    ] = None,
    reasoning_format: Annotated[
        str, typer.Option(help="Form of the reasoning in the reply: deepseek, deepseek-legacy or none.")
    ] = "deepseek",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show llama.cpp's log.")] = False,
) -> None:
    """Serve a model with llama.cpp on this machine (extra local), OpenAI-compatible, until Ctrl-C."""
    from langchain_qwen3.cli.serve import run

    settings = {
        "name": name,
        "host": host,
        "port": port,
        "api_key": api_key,
        "n_ctx": n_ctx,
        "n_parallel": n_parallel,
        "n_threads": n_threads,
        "reasoning_format": reasoning_format,
        "verbose": verbose,
    }
    run(model, settings)


commands.command(cls=BatchCommand)(batch)
