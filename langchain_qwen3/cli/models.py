"""`langchain-qwen3 models`: the models of a server."""

from __future__ import annotations

import sys

from rich.table import Table
from rich.text import Text

from langchain_qwen3._visible import make_visible
from langchain_qwen3.cli.connect import ask_server, build_model, showing_errors
from langchain_qwen3.cli.console import Console, write_json
from langchain_qwen3.cli.options import Target
from langchain_qwen3.doctor.reach import Listing


def run(target: Target, *, as_json: bool) -> None:
    """Write the names, one per line; in a terminal with their context lengths."""
    console = Console()
    with showing_errors():
        llm = build_model(target)
        listing = ask_server(llm, Console(stderr=True), named=False)
    if as_json:
        write_json([{"model": name, "context": listing.contexts.get(name)} for name in listing.models])
    elif console.is_terminal:
        console.print(build_table(listing))
    else:
        sys.stdout.writelines(f"{write_name(name)}\n" for name in listing.models)


def write_name(name: str) -> str:
    """Return a model's name as one line, whatever the server put into it."""
    return make_visible(name).replace("\n", "\\n")


def build_table(listing: Listing) -> Table:
    """Return the models as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name in listing.models:
        context = listing.contexts.get(name)
        table.add_row(Text(name, style="bold"), Text(f"{context:,} tokens" if context else "", style="dim"))
    return table
