"""A real nginx in front of a server, configured in the ways in which it is found there."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
USER, PASSWORD = "bob", "s3cret"
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Front:
    """One way in which nginx stands in front of an engine; what is not stated is nginx's default.

    Attributes:
        directives: What its location says beside `proxy_pass`.
        path: Under which path the API is.
        userinfo: User and password, as they stand in the address.
        tls: Whether it speaks TLS, with a certificate of an authority of its own.
        moved: Whether the API is under `/v1`, too, from where a 308 leads to the path.
    """

    directives: str = ""
    path: str = "/v1"
    userinfo: str = ""
    tls: bool = False
    moved: bool = False

    def write(self, port: int, upstream: str, folder: Path) -> str:
        """Write its server block, and the files that it needs.

        Args:
            port: Where it listens.
            upstream: Base URL of what is behind.
            folder: Where its files go.
        """
        listen, files = f"127.0.0.1:{port}", ""
        if self.tls:
            write_certificate(folder)
            listen += " ssl"
            files = f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;"
        if self.userinfo:
            (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
            files += f"auth_basic qwen; auth_basic_user_file {folder}/users;"
        moved = f"location ~ ^/v1/(.*)$ {{ return 308 {self.path}/$1; }}" if self.moved else ""
        location = f"location {self.path}/ {{ proxy_pass {upstream}/; {self.directives} }}"
        return f"server {{ listen {listen}; {files} {moved} {location} }}\n"

    def build_url(self, port: int | str) -> str:
        """Return the base URL that a user writes; the port may be a placeholder."""
        path = "/v1" if self.moved else self.path
        return f"{'https' if self.tls else 'http'}://{self.userinfo}127.0.0.1:{port}{path}"


FRONTS = {
    "no buffering": Front(directives="proxy_http_version 1.1; proxy_buffering off;"),
    "buffering": Front(),
    "gzip": Front(
        directives="gzip on; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0; "
        "gzip_types application/json text/event-stream;"
    ),
    "a sub-path": Front(path="/qwen/v1"),
    "basic auth": Front(userinfo=f"{USER}:{PASSWORD}@"),
    "TLS": Front(tls=True),
    "a redirect": Front(path="/qwen/v1", moved=True),
}
"""In front of all of them everything works: `tests/integration/test_nginx.py`."""


def write_certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 into `server.pem`, and its authority into `ca.pem`, unless they are there."""
    if (folder / "ca.pem").exists():
        return
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")


def write_config(folder: Path, http: str) -> list[str]:
    """Write a configuration, and return the command that runs it.

    Args:
        folder: Where its files go.
        http: What stands in its `http` block.
    """
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # its workers read files of a folder that is the tests' own
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{http}}}\n",
        encoding="utf-8",
    )
    return [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


@contextmanager
def run_nginx(folder: Path, http: str) -> Iterator[None]:
    """Run nginx with this in its `http` block until the end of the block."""
    with subprocess.Popen(write_config(folder, http)) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not (folder / "nginx.pid").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield
        finally:
            process.terminate()
