"""Certificates that are trusted for the length of a block."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from langchain_qwen3.connections.transports.shared import build_ssl_context


@contextmanager
def trust(authority: Path) -> Iterator[None]:
    """Trust the authority in a PEM file; the process's own TLS context is built anew before and after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority))
        build_ssl_context.cache_clear()
        try:
            yield
        finally:
            build_ssl_context.cache_clear()


@contextmanager
def trusted_tls(folder: Path) -> Iterator[ssl.SSLContext]:
    """Give the TLS context of a server on 127.0.0.1 whose certificate is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with trust(folder / "ca.pem"):
        yield context
