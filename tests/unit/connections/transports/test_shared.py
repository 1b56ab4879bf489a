"""What both transports share; pieces and bodies are tested with each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_qwen3.connections.transports.shared import build_ssl_context


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_error_names_the_variable_when_its_certificates_cannot_be_read(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users whose variable names a file that is gone: OpenSSL says "No such file or directory" alone."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    build_ssl_context.cache_clear()
    with pytest.raises(OSError) as raised:  # noqa: PT011  # the note is what matters
        build_ssl_context()
    assert raised.value.__notes__ == ["Set $SSL_CERT_FILE to a file of certificates in PEM, or unset it."]
