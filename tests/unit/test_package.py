"""The package itself: its public names, and what it says of a namesake."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

import langchain_qwen3

IMPORT = "import warnings; warnings.simplefilter('always'); from langchain_qwen3 import ChatQwen3"


@pytest.mark.parametrize("name", langchain_qwen3.__all__)
def test_public_name_is_there_when_it_is_asked_for(name):
    """Protects imports from a name that is listed and leads nowhere."""
    assert getattr(langchain_qwen3, name).__name__ == name


def test_names_are_listed_once_when_some_are_loaded():
    """Protects completion in editors and notebooks: every public name once, whether or not it was used before."""
    assert langchain_qwen3.ChatQwen3
    listed = langchain_qwen3.__dir__()
    assert len(listed) == len(set(listed))
    assert set(langchain_qwen3.__all__) <= set(listed)
    assert sorted(langchain_qwen3.__all__) == langchain_qwen3.__all__


def test_tokenizer_is_found_in_its_former_place_when_a_program_imports_it_there():
    """Protects programs of the versions before: the module has moved, their import has not."""
    module = import_module("langchain_qwen3.local_tokenizer")
    assert module.LocalTokenizer is langchain_qwen3.LocalTokenizer


def test_unknown_name_is_an_attribute_error_when_it_is_asked_for():
    """Protects `hasattr` and star imports from an import error of their own."""
    assert not hasattr(langchain_qwen3, "ChatQwen4")


@pytest.mark.parametrize("installed", [True, False])
def test_namesake_is_told_when_both_are_installed(tmp_path, installed):
    """Protects users from two distributions whose files overwrite each other."""
    info = tmp_path / "langchain_qwen3-0.1.2.dist-info"
    if installed:
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.4\nName: langchain-qwen3\nVersion: 0.1.2\n", "utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {IMPORT}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("pip uninstall langchain-qwen3" in run.stderr) is installed


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: langchain_qwen3.estimate_tokens(None), "text: pass a text, not a NoneType"),
        (lambda: langchain_qwen3.estimate_tokens(b"x"), "text: pass a text, not a bytes"),
        (lambda: langchain_qwen3.LocalTokenizer(5), "model: pass a model's name, not an int"),
        (lambda: langchain_qwen3.LocalTokenizer().encode(["a"]), "text: pass a text, not a list"),
        (lambda: langchain_qwen3.read_media(b"x"), "path: pass the path of a file, not a bytes"),
        (lambda: langchain_qwen3.read_media(None), "path: pass the path of a file, not a NoneType"),
        (lambda: langchain_qwen3.LocalServer(None), "model: pass a path, .* not a NoneType"),
        (lambda: langchain_qwen3.LocalServer(""), "model: pass a path"),
        (lambda: langchain_qwen3.LocalServer("x", port="80"), "port: pass a number, not a str"),
        (lambda: langchain_qwen3.LocalServer("x", n_ctx="8k"), "n_ctx: pass a number, not a str"),
        (lambda: langchain_qwen3.BatchProgress([1]), "total: pass the number of inputs, or None, not a list"),
    ],
)
def test_names_the_argument_when_its_type_is_wrong(call: Callable[[], Any], said: str):
    """Protects users from an error of a library that they have never called."""
    with pytest.raises(TypeError, match=said):
        call()


@pytest.mark.parametrize("url", ["https://x.test/a.png", "data:image/png;base64,aa", "file:///tmp/a.png"])
def test_says_where_a_url_belongs_when_it_is_to_be_read(url: str):
    """Protects from "no such file" for a URL, which a block takes as it is."""
    with pytest.raises(langchain_qwen3.MediaError, match="is a URL, not a file: put it into a block"):
        langchain_qwen3.read_media(url)
