"""What LocalServer refuses before it starts an engine."""

import errno
import importlib.util
import io
import socket
import sys
from pathlib import Path

import pytest

from langchain_qwen3.local import LocalServer, downloads, server


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file that begins like a GGUF file and is none."""
    path = tmp_path / "Qwen3-0.6B-Q8_0.gguf"
    path.write_bytes(b"GGUF but no model")
    return path


def test_raises_naming_the_path_when_the_file_is_missing(tmp_path):
    """A typo in the path is told apart from a broken model."""
    with pytest.raises(FileNotFoundError, match=r"no such GGUF file.*missing\.gguf"):
        LocalServer(tmp_path / "missing.gguf").start()


def test_raises_naming_the_path_when_the_file_is_a_directory(tmp_path):
    """A model directory of transformers is no model file for llama.cpp."""
    with pytest.raises(FileNotFoundError, match="the model is a folder"):
        LocalServer(tmp_path).start()


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"<!DOCTYPE html>", "GGUF only"),
        (b"", "GGUF only"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ],
)
def test_raises_with_advice_when_the_file_is_no_gguf(tmp_path, content, advice):
    """A safetensors file, an HTML page or a pointer of Git LFS saved as .gguf is named as such."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a GGUF file: .*model\.gguf begins with") as caught:
        LocalServer(path).start()
    assert advice in caught.value.__notes__[0]


def test_raises_naming_the_port_when_it_is_taken(gguf):
    """A taken port is told apart from a model that cannot be loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"port: 127\.0\.0\.1:{port} is in use; port=0 selects a free one"):
            LocalServer(gguf, port=port).start()


def test_raises_naming_the_host_when_it_is_not_this_machine(gguf):
    """An address of another machine is not reported as a taken port."""
    with pytest.raises(OSError, match=r"host, port: cannot listen on 192\.0\.2\.1:0"):
        LocalServer(gguf, host="192.0.2.1").start()


def test_raises_naming_the_extra_when_xllamacpp_is_missing(gguf, monkeypatch):
    """Without the extra the user is told what to install, before gigabytes of a model are downloaded."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else find_spec(name))
    with pytest.raises(ImportError, match=r"langchain-qwen3-chat\[local\]"):
        LocalServer(gguf)
    monkeypatch.setattr(downloads, "fetch_model", lambda _model: pytest.fail("it downloads a model"))
    with pytest.raises(ImportError, match=r"langchain-qwen3-chat\[local\]"):
        LocalServer("Qwen/Qwen3-0.6B-GGUF")


@pytest.mark.parametrize(("attribute", "value"), [("frozen", True), ("executable", None), ("executable", "")])
def test_raises_when_the_program_is_no_python_interpreter(gguf, monkeypatch, attribute, value):
    """Protects from a frozen program that starts itself without end: there `sys.executable` is the program."""
    monkeypatch.setattr(sys, attribute, value, raising=False)
    with pytest.raises(RuntimeError, match="needs a Python interpreter"):
        LocalServer(gguf).start()


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (
            "libgomp.so.1: cannot open shared object file: No such file or directory",
            r"llama\.cpp needs libgomp\.so\.1, which is missing on this system\.\nInstall it: apt-get install libgomp1",
        ),
        (
            "libcuda.so.1: cannot open shared object file: No such file or directory",
            r"Install the package that has libcuda\.so\.1",
        ),
        ("undefined symbol: ggml_x", r"cannot be loaded: undefined symbol: ggml_x\nReinstall it"),
    ],
)
def test_says_what_to_install_when_llama_cpp_cannot_be_loaded(gguf, tmp_path, monkeypatch, cause, message):
    """A slim container lacks libgomp: two lines with the fix, not a traceback of another process."""
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({cause!r})", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ImportError, match=message):
        LocalServer(gguf).start()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n_ctx": 0}, "n_ctx: 0 is less than 1"),
        ({"n_parallel": -1}, "n_parallel: -1 is less than 1"),
        ({"n_threads": 0}, "n_threads: 0 is less than 1"),
        ({"n_threads": 2**31}, "n_threads: 2147483648 is more than 2147483647"),
        ({"n_parallel": 2**40}, "n_parallel: 1099511627776 is more than 2147483647"),
        ({"n_ctx": 2**30}, "n_ctx: 1073741824 for each of 4 requests is more than 2147483647"),
        ({"port": 70000}, "port: 70000 is not between 0 and 65535"),
        ({"reasoning_format": "qwen"}, "reasoning_format: 'qwen' is not one of deepseek"),
    ],
)
def test_raises_naming_the_setting_when_it_is_out_of_range(gguf, setting, message):
    """A bad setting fails where it is written, not inside the engine."""
    with pytest.raises(ValueError, match=message):
        LocalServer(gguf, **setting)


@pytest.mark.parametrize("field", ["host", "name", "api_key"])
def test_raises_naming_the_setting_when_it_is_no_text(gguf, field):
    """Protects from an error in the engine, and names no value, which may be the key."""
    for value in [4, ["a"], b"a", *([None] if field == "host" else [])]:
        with pytest.raises(TypeError, match=f"^{field}: pass a .*, not an? {type(value).__name__}$"):
            LocalServer(gguf, **{field: value})


@pytest.mark.parametrize("text", ["", "  ", "\u3000"])
@pytest.mark.parametrize("field", ["host", "api_key"])
def test_raises_naming_the_setting_when_it_is_blank(gguf, field, text):
    """Protects an engine from being open to all because the variable of its key, or of its host, was not set."""
    with pytest.raises(ValueError, match=f"^{field}: pass a text that is not blank"):
        LocalServer(gguf, **{field: text})


@pytest.mark.parametrize("field", ["n_ctx", "n_parallel", "n_threads", "port", "start_timeout"])
def test_raises_naming_the_setting_when_it_is_of_another_type(gguf, field):
    """A text where a number belongs, or None where there is no default to take, fails by name."""
    for value in ["4", [4], *([] if field == "n_threads" else [None])]:
        with pytest.raises(TypeError, match=f"{field}: pass (a number|seconds), not a {type(value).__name__}"):
            LocalServer(gguf, **{field: value})


def test_base_url_raises_when_not_started(gguf):
    """An address that nobody answers at is never handed out."""
    with pytest.raises(RuntimeError, match="is not running: use it in a `with` block"):
        _ = LocalServer(gguf).base_url


def test_model_is_the_file_name_when_no_name_is_given(gguf):
    """The served name can be used without looking it up."""
    assert LocalServer(gguf).model == "Qwen3-0.6B-Q8_0"


def test_repr_hides_the_api_key(gguf):
    """A key never reaches a log through repr or an error."""
    server = LocalServer(gguf, api_key="sk-canary")
    assert "canary" not in repr(server)
    assert str(gguf) in repr(server)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL])
def test_start_says_why_when_the_engine_dies_before_it_reads_its_settings(
    number: int, gguf: Path, monkeypatch: pytest.MonkeyPatch
):
    """Protects from "invalid argument" on Windows, whose pipes break with that error, in place of the engine's log."""

    class Pipe:  # no file of io, whose finalizer would flush it once more in whichever test comes next
        write = staticmethod(len)

        def flush(self) -> None:
            raise OSError(number, "the engine is gone")

        close = flush

    class Engine:
        stdin, stdout = Pipe(), io.StringIO()
        kill = wait = staticmethod(lambda: 1)

    monkeypatch.setattr(server.subprocess, "Popen", lambda *_, **__: Engine())
    with pytest.raises(RuntimeError, match=r"llama\.cpp could not serve"):
        LocalServer(gguf).start()
