"""The package itself: its public names, and what it says of a namesake."""

import subprocess
import sys
from importlib import import_module

import pytest

import langchain_qwen3

IMPORT = "import warnings; warnings.simplefilter('always'); from langchain_qwen3 import ChatQwen3"


@pytest.mark.parametrize("name", langchain_qwen3.__all__)
def test_public_name_is_there_when_it_is_asked_for(name):
    """Protects imports from a name that is listed and leads nowhere."""
    assert getattr(langchain_qwen3, name).__name__ == name


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
