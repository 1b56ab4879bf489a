"""From the name of a model to a GGUF file on this machine, downloaded if necessary.

Needs the extra `download` (PyPI `huggingface-hub` and `modelscope-hub`), whose libraries keep the files in their own
caches, resume an interrupted download and show a progress bar on stderr.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

Hub = Literal["huggingface", "modelscope"]

PREFERRED = ("Q4_K_M", "Q8_0")
"""Quantizations to choose when a repository holds several and none is named; llama.cpp's default comes first."""

_NAME = re.compile(
    r"(?:(?P<hub>hf|huggingface|ms|modelscope):)?(?P<repo>(?!\.)[\w.-]+/(?!\.)[\w.-]+)"
    r"(?::(?P<file>(?!/)(?!(?:.*/)?\.\.(?:/|$))[\w./-]+))?",  # a name must not escape the hub's folder
    re.ASCII,
)
# A hub's list is not trusted: modelscope-hub 0.5 writes to any path that it names, such as /etc/x.gguf or ../x.gguf.
_SAFE_FILE = re.compile(r"(?![/ ])(?!(?:[^/]*/)*\.\.?(?:/|$))[^\x00-\x1f\x7f\\:*?\"<>|%]{1,500}")
_PART = re.compile(r"(?P<stem>.+)-00001-of-(?P<count>\d{5})\.gguf")
_SHOWN_FILES = 12
_CONNECT_SECONDS = 10.0


class _HubFacts(NamedTuple):
    """What a user is told of a hub, and where it is."""

    title: str
    url: str
    mirror: str
    """Environment variable of another URL."""

    other: str
    """Prefix of a name on the other hub."""


_HUBS: dict[Hub, _HubFacts] = {
    "huggingface": _HubFacts("Hugging Face", "https://huggingface.co", "HF_ENDPOINT", "modelscope:"),
    "modelscope": _HubFacts("ModelScope", "https://www.modelscope.cn", "MODELSCOPE_ENDPOINT", "hf:"),
}


class DownloadError(OSError):
    """A model cannot be downloaded: there is no such repository or file, or the hub cannot be reached."""


class HubModel(NamedTuple):
    """A model on a hub.

    Attributes:
        hub: The hub.
        repo: `owner/name`.
        file: The file, or a quantization such as `Q8_0`; empty for the default.
    """

    hub: Hub
    repo: str
    file: str = ""


def read_name(name: str | os.PathLike[str]) -> HubModel | Path:
    """Return the meaning of a model's name: a file on this machine, or a model on a hub.

    Args:
        name: Path of a GGUF file, or `[hf:|modelscope:]owner/repo[:file or quantization]`. A name is a path if it
            exists on this machine, or if it ends in `.gguf` and names no file after a colon.
    """
    text = os.fspath(name)
    match = _NAME.fullmatch(text)
    if Path(text).exists() or match is None or (text.endswith(".gguf") and match["file"] is None):
        return Path(text)
    hub: Hub = "modelscope" if match["hub"] in ("ms", "modelscope") else "huggingface"
    return HubModel(hub, match["repo"], match["file"] or "")


def choose_files(files: Sequence[str], choice: str) -> list[str]:
    """Return the files of a model in a repository: one, or all parts of a split one. llama.cpp opens the first.

    Args:
        files: Paths in the repository; those that could leave the hub's folder are ignored.
        choice: A path, a quantization such as `Q8_0`, or an empty text.

    Raises:
        ValueError: There is no such file, or the choice is not clear; the message lists the files.
    """
    files = [file for file in files if _SAFE_FILE.fullmatch(file)]
    if choice in files:
        return _add_parts(choice)
    # The first part stands for a split file; an mmproj file is only the vision part of a model.
    models = [
        file
        for file in sorted(files)
        if file.endswith(".gguf") and "mmproj" not in file and not re.search(r"-(?!00001)\d{5}-of-\d{5}\.gguf", file)
    ]
    for tag in [choice] if choice else PREFERRED:
        named = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(tag)}(?=[-.][^/]*gguf$)", re.IGNORECASE)
        if alike := [file for file in models if named.search(file)]:
            return _add_parts(alike[0])
    if len(models) == 1 and not choice:
        return _add_parts(models[0])
    shown = ", ".join(models[:_SHOWN_FILES]) + (", …" if len(models) > _SHOWN_FILES else "")
    if not models:
        raise ValueError("it has no GGUF file: use a repository whose name ends in -GGUF")
    raise ValueError(f"which file? {f'There is no {choice!r}. ' if choice else ''}There are {shown}")


def fetch_model(name: str | os.PathLike[str]) -> Path:
    """Return the path of a model's GGUF file, downloaded if necessary.

    `$HF_ENDPOINT` and `$MODELSCOPE_ENDPOINT` name mirrors, `$HF_HOME` and `$MODELSCOPE_CACHE` the caches.

    Args:
        name: A name for `read_name`: `Qwen/Qwen3-0.6B-GGUF`, `Qwen/Qwen3-0.6B-GGUF:Qwen3-0.6B-Q8_0.gguf`,
            `modelscope:Qwen/Qwen3-0.6B-GGUF:Q8_0`, or a path, which is returned unchanged.

    Raises:
        ImportError: The extra `download` is not installed.
        DownloadError: It cannot be downloaded; the message says why.
    """
    model = read_name(name)
    if isinstance(model, Path):
        return model
    try:
        list_files, download = (_open_modelscope if model.hub == "modelscope" else _open_hugging_face)(model.repo)
    except ImportError as error:
        text = 'downloading a model needs the extra "download": pip install "langchain-qwen3-chat[download]"'
        raise ImportError(text) from error
    offline = not _is_reachable(model.hub)
    if model.file.endswith(".gguf"):
        files = _add_parts(model.file)  # no list is needed, so a cached file works offline
    else:
        if offline:
            raise DownloadError(_describe_outage(model))
        with _explained(model, offline=False):
            listed = list_files()
        try:
            files = choose_files(listed, model.file)
        except ValueError as error:
            raise DownloadError(f"{model.repo}: {error}") from None
    with _explained(model, offline=offline):
        paths = [download(file, offline) for file in files]
    return paths[0]


def _describe_outage(model: HubModel) -> str:
    hub = _HUBS[model.hub]
    other = f", take it from ModelScope (modelscope:{model.repo})" if model.hub == "huggingface" else ""
    return (
        f"{model.repo} is not on this machine, and {hub.title} cannot be reached\n"
        f"Check the network, set a mirror in ${hub.mirror}{other}, or pass the path of a GGUF file."
    )


@contextmanager
def _explained(model: HubModel, *, offline: bool) -> Iterator[None]:
    """Turn every error of a hub's library into a `DownloadError` with advice."""
    hub = _HUBS[model.hub]
    try:
        yield
    except Exception as error:
        if offline:
            raise DownloadError(_describe_outage(model)) from error
        raise DownloadError(
            f"{model.repo} cannot be downloaded from {hub.title}: {_first_line(error)}\n"
            f"Check the name and the network; {hub.other}{model.repo} uses the other hub, ${hub.mirror} sets a mirror."
        ) from error


def _is_reachable(hub: Hub) -> bool:
    """Return at once whether the hub can be reached; its library would retry for half a minute, with a line for each.

    With a proxy there is no check: only the proxy knows.
    """
    address = urlsplit(os.environ.get(_HUBS[hub].mirror) or _HUBS[hub].url)
    if address.hostname is None or getproxies():
        return True
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


_OpenRepo = tuple[Callable[[], list[str]], Callable[[str, bool], Path]]
"""Lists the files of a repository; downloads one of them, or takes it from the cache alone."""


def _open_hugging_face(repo: str) -> _OpenRepo:
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    def download(file: str, offline: bool) -> Path:
        is_new = not isinstance(try_to_load_from_cache(repo, file), str)
        path = Path(hf_hub_download(repo, file, local_files_only=offline))
        if is_new:
            _check_content(path)
        return path

    return lambda: list(HfApi().list_repo_files(repo)), download


def _check_content(path: Path) -> None:
    """Compare a downloaded file with its SHA-256, which is its name in the cache; huggingface-hub compares sizes only.

    Raises:
        ValueError: It is another file; it is deleted.
    """
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return  # a small file is named by git's hash; without symbolic links the name is the file's own
    with blob.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != blob.name:
        blob.unlink()
        path.unlink()
        raise ValueError(f"{path.name} has the SHA-256 {digest[:12]}… and not {blob.name[:12]}…: it was deleted")


def _open_modelscope(repo: str) -> _OpenRepo:
    from modelscope_hub import HubApi

    api = HubApi()
    return (
        lambda: [file.path for file in api.list_repo_files(repo, "model")],
        lambda file, offline: Path(api.download_file(repo, "model", file, local_files_only=offline)),
    )


def _add_parts(file: str) -> list[str]:
    """Return the file, or all parts of a split one."""
    part = _PART.fullmatch(file)
    if part is None:
        return [file]
    return [f"{part['stem']}-{number:05}-of-{part['count']}.gguf" for number in range(1, int(part["count"]) + 1)]


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
