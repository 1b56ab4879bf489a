"""A real Qwen3 engine on this machine: llama.cpp's HTTP server, started and stopped from Python.

Needs the extra `local` (PyPI `xllamacpp`: llama.cpp in prebuilt wheels) and a GGUF file.

The engine runs in a child process, `engine_script`. In the caller's process its end could freeze everything: the
library stops a server only with its object, and then holds the interpreter's lock until every request in flight is done
(with one open stream 30 s, measured on xllamacpp 2026.10; a child process ends in 15 ms).
"""

import asyncio
import contextlib
import errno
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from langchain_qwen3.call import check_type
from langchain_qwen3.local import engine_script

ReasoningFormat = Literal["deepseek", "deepseek-legacy", "none"]

# OpenMP's threads spin while they wait for each other: on cores shared with other processes, answers took 20 to 80
# times as long. Sleeping threads make a small model a little slower on an idle machine.
_THREADS_THAT_SLEEP: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
_GGUF_MAGIC: Final = b"GGUF"
_LFS_POINTER: Final = b"version https://git-lfs"
_LAST_PORT: Final = 65535
_LARGEST: Final = 2**31 - 1  # of int32_t: https://github.com/ggml-org/llama.cpp/blob/master/common/common.h
_LOG_TAIL: Final = 2000
_PACKAGES: Final = {
    "libgomp": "it: apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora), apk add libgomp (Alpine)",
    "libstdc++": "it: apt-get install libstdc++6 (Debian, Ubuntu), dnf install libstdc++ (Fedora)",
}
"""How to install a missing library of the system."""


class LocalServer:
    """One model served by llama.cpp on this machine, for the duration of the `with` block.

    Both `with` and `async with` work, and so do `start()` and `stop()`. `start()` returns
    when the server answers. The server ends with this process at the latest, and can be started again after a stop.

        with LocalServer("Qwen3-0.6B-Q8_0.gguf") as server:
            llm = ChatQwen3(base_url=server.base_url, model=server.model)

    Args:
        model: Path of a GGUF file, or a repository to download it from, see `downloads.fetch_model`.
        name: The served model name. Default: the file name without its extension.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one at every start.
        api_key: Key that requests must carry. Default: no key.
        n_ctx: Context length of one request in tokens, prompt and answer together. Memory is taken for
            `n_parallel` of them.
        n_parallel: Maximum requests answered at the same time; further ones wait.
        n_threads: CPU threads to compute with. Default: llama.cpp's own choice, the physical cores.
        reasoning_format: Where reasoning is returned: `deepseek` in `reasoning_content`, `none` inside the content,
            between `<think>` tags. `deepseek-legacy` is the same as `deepseek` (measured on xllamacpp 2026.10).
        start_timeout: Seconds to wait until the model is loaded.
        verbose: Show llama.cpp's log on stderr.

    Raises:
        ValueError: A setting is out of its range.
        TypeError: A setting is of another type.
        ImportError: The extra `local` is not installed, or a download needs the extra `download`.
        DownloadError: The file cannot be downloaded.
    """

    def __init__(  # noqa: PLR0913  # the settings of a server; keyword-only except the first
        self,
        model: str | os.PathLike[str],
        *,
        name: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        n_ctx: int = 8192,
        n_parallel: int = 4,
        n_threads: int | None = None,
        reasoning_format: ReasoningFormat = "deepseek",
        start_timeout: float = 300.0,
        verbose: bool = False,
    ) -> None:
        if reasoning_format not in get_args(ReasoningFormat):
            allowed = ", ".join(get_args(ReasoningFormat))
            raise ValueError(f"reasoning_format: {reasoning_format!r} is not one of {allowed}")
        check_type("start_timeout", start_timeout, (int, float), "seconds")
        check_type("model", model or None, (str, os.PathLike), "a path, or a repository and file of a hub")
        _check_numbers(n_ctx, n_parallel, n_threads, port)
        _check_texts(name, host, api_key)
        if importlib.util.find_spec("xllamacpp") is None:  # asked before gigabytes are downloaded
            raise ImportError('LocalServer needs the extra "local": pip install "langchain-qwen3-chat[local]"')
        from langchain_qwen3.local.downloads import fetch_model

        self.path: Final = fetch_model(str(model)).absolute()
        self.model: Final = name or self.path.stem
        self.host: Final = host
        self.port: Final = port
        self._settings: Final[dict[str, Any]] = {
            "path": str(self.path),
            "model": self.model,
            "host": host,
            "port": port,
            "api_key": api_key,
            "n_ctx": n_ctx * n_parallel,
            "n_parallel": n_parallel,
            "n_threads": n_threads,
            "reasoning_format": reasoning_format,
            "verbose": verbose,
        }
        self._start_timeout: Final = start_timeout
        self._lock: Final = threading.Lock()
        self._base_url: str | None = None
        self._engine: subprocess.Popen[str] | None = None
        self._end: weakref.finalize[[subprocess.Popen[str]], Any] | None = None

    def __repr__(self) -> str:
        return f"LocalServer({str(self.path)!r}, model={self.model!r}, base_url={self._base_url!r})"

    @property
    def base_url(self) -> str:
        """URL of the server, ending in `/v1`.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._base_url is None:
            raise RuntimeError(f"{self!r} is not running: use it in a `with` block or call start() first")
        return self._base_url

    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            ImportError: llama.cpp needs a missing system library.
            FileNotFoundError: There is no file at the model's path.
            ValueError: The file is not in GGUF format.
            OSError: The port is taken, or the address does not belong to this machine.
            TimeoutError: The model was not loaded within `start_timeout`.
            RuntimeError: It runs already, llama.cpp refused the model (the message has its log), or the program is a
                frozen one (PyInstaller), which has no interpreter.
        """
        with self._lock:
            if self._base_url is not None:
                raise RuntimeError(f"{self!r} is already running")
            if getattr(sys, "frozen", False) or not sys.executable:
                # https://pyinstaller.org/en/stable/runtime-information.html: `sys.executable` is the program itself. It
                # would run once more, start an engine there, too, and so on.
                raise RuntimeError("LocalServer needs a Python interpreter: a frozen or embedded program has none")
            _check_model(self.path)
            _check_port(self.host, self.port)
            self._base_url = self._launch() + "/v1"
        return self

    def stop(self) -> None:
        """Stop the server at once; requests in flight fail. Without a running server it does nothing."""
        with self._lock:
            self._base_url = None
            if self._end is not None:
                self._end()

    def _is_alive(self) -> bool:
        """Return whether the engine's process runs; it may end without a stop."""
        return self._engine is not None and self._engine.poll() is None

    def _launch(self) -> str:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            engine = subprocess.Popen(  # noqa: S603  # runs this interpreter with our own file
                [sys.executable, "-P", engine_script.__file__],
                env=_THREADS_THAT_SLEEP | os.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if self._settings["verbose"] else log,
                text=True,
                encoding="utf-8",
            )
            self._engine, self._end = engine, weakref.finalize(self, _end_engine, engine)
            is_late = threading.Event()

            def kill() -> None:
                is_late.set()
                engine.kill()

            deadline = threading.Timer(self._start_timeout, kill)
            deadline.daemon = True
            deadline.start()
            try:
                settings = {**self._settings, "import_path": sys.path}
                if url := _read_address(engine, json.dumps(settings, default=str)):  # the path may hold a `Path`
                    return url
            except BaseException:
                self._end()
                raise
            finally:
                deadline.cancel()
            self._end()
            if is_late.is_set():
                raise TimeoutError(f"start_timeout: {self.path} was not loaded in {self._start_timeout:g} s")
            _check_port(self.host, self.port)  # another process may have taken it meanwhile
            log.seek(0)
            raise RuntimeError(f"llama.cpp could not serve {self.path}:\n{log.read()[-_LOG_TAIL:].strip()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda _: self.stop())
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self.stop)


def _check_numbers(n_ctx: int, n_parallel: int, n_threads: int | None, port: int) -> None:
    threads = 1 if n_threads is None else n_threads
    for field, value in (("n_ctx", n_ctx), ("n_parallel", n_parallel), ("n_threads", threads)):
        check_type(field, value, int, "a number")
        if not 1 <= value <= _LARGEST:
            raise ValueError(f"{field}: {value} is {'less than 1' if value < 1 else f'more than {_LARGEST}'}")
    if n_ctx * n_parallel > _LARGEST:
        raise ValueError(f"n_ctx: {n_ctx} for each of {n_parallel} requests is more than {_LARGEST}")
    check_type("port", port, int, "a number")
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(f"port: {port} is not between 0 and {_LAST_PORT}")


def _check_texts(name: str | None, host: str, api_key: str | None) -> None:
    check_type("host", host, str, "a host name or address")
    for field, text in (("name", name), ("api_key", api_key)):
        check_type(field, text, (str, type(None)), "a text, or None")
    for field, text in (("name", name or None), ("host", host), ("api_key", api_key)):
        if text is not None and not text.strip():  # no host would be every address, no key would let all in
            raise ValueError(f"{field}: pass a text that is not blank")


def _explain_import(error: str) -> str:
    """Return the cause and the fix when llama.cpp cannot be loaded; slim containers lack a library of the system."""
    missing = re.match(r"([\w.+-]{1,80}): cannot open shared object file", error)
    if missing is None:
        return f'llama.cpp cannot be loaded: {error}\nReinstall it: pip install --force-reinstall "xllamacpp"'
    packages = _PACKAGES.get(missing[1].partition(".so")[0], f"the package that has {missing[1]}")
    return f"llama.cpp needs {missing[1]}, which is missing on this system.\nInstall {packages}"


def _check_model(path: Path) -> None:
    if not path.is_file():
        what = "the model is a folder, not a GGUF file" if path.is_dir() else "there is no such GGUF file"
        error: Exception = FileNotFoundError(errno.ENOENT, what, str(path))
        error.add_note("Give a GGUF file, or the name of a repository to download it from: Qwen/Qwen3-0.6B-GGUF.")
        raise error
    with path.open("rb") as file:
        begin = file.read(len(_LFS_POINTER))
    if not begin.startswith(_GGUF_MAGIC):
        error = ValueError(f"the model is not a GGUF file: {path} begins with {begin[:4]!r}, not {_GGUF_MAGIC!r}")
        pointer = "It is a pointer of Git LFS: `git lfs pull` fetches the file itself."
        error.add_note(pointer if begin == _LFS_POINTER else "llama.cpp reads GGUF only: use a repository named -GGUF.")
        raise error


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise OSError(exc.errno, f"port: {host}:{port} is in use; port=0 selects a free one") from exc
        raise OSError(exc.errno, f"host, port: cannot listen on {host}:{port}: {exc.strerror}") from exc


def _read_address(engine: Any, settings: str) -> str:  # its type has pipes that may be None
    """Return the URL of the engine once it answers, an empty text if it exits before that.

    The library has an address only when the model is loaded and requests are taken
    (https://github.com/xorbitsai/xllamacpp/blob/main/src/xllamacpp/server.cpp).

    Raises:
        ImportError: llama.cpp cannot be loaded.
    """
    try:
        engine.stdin.write(settings + "\n")
        engine.stdin.flush()
    except OSError:  # a broken pipe; on Windows EINVAL, as in CPython's `subprocess.Popen._stdin_write`
        return ""
    url: str = engine.stdout.readline().strip()
    if url.startswith(engine_script.CANNOT_IMPORT):
        raise ImportError(_explain_import(url.removeprefix(engine_script.CANNOT_IMPORT)))
    return url


def _end_engine(engine: Any) -> None:
    engine.kill()
    engine.wait()
    for pipe in (engine.stdin, engine.stdout):
        with contextlib.suppress(OSError):  # it died before it read the settings
            pipe.close()
