"""Models from a hub on 127.0.0.1, through the hubs' own libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hub import REPO, FakeHub

pytest.importorskip("huggingface_hub", reason="needs the extra download")
pytest.importorskip("modelscope_hub", reason="needs the extra download")

FILES = {"README.md": b"#", "Qwen3-0.6B-Q8_0.gguf": b"GGUF eight bits", "Qwen3-0.6B-Q2_K.gguf": b"GGUF two bits"}
# The libraries read the address of their hub when they are imported.
FETCH = """
import sys
from langchain_qwen3.local.downloads import DownloadError, fetch_model
try:
    print(fetch_model(sys.argv[1]).read_text())
except DownloadError as error:
    print(error)
"""


def fetch(name: str, hub: str, home: Path) -> str:
    """Return the content of the file, or the error, as a process of its own gets it."""
    env = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MODELSCOPE_ENDPOINT": hub,
        "MODELSCOPE_CACHE": str(home),
    }
    run = subprocess.run([sys.executable, "-c", FETCH, name], env=env, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "modelscope:"])
def test_downloads_once_from_either_hub(prefix: str, tmp_path: Path):
    """Protects `serve Qwen/Qwen3-0.6B-GGUF`: the file comes from the hub, then from the cache without a network."""
    with FakeHub(FILES) as hub:
        assert fetch(f"{prefix}{REPO}", hub.root, tmp_path) == "GGUF eight bits"
        assert fetch(f"{prefix}{REPO}:Q2_K", hub.root, tmp_path) == "GGUF two bits"
    assert fetch(f"{prefix}{REPO}:Qwen3-0.6B-Q8_0.gguf", hub.root, tmp_path) == "GGUF eight bits"


@pytest.mark.slow
def test_says_what_to_do_when_there_is_no_such_model(tmp_path: Path):
    """Protects from a library's traceback: the text names the other hub and the mirror, or the files there are."""
    with FakeHub(FILES) as hub:
        said = fetch(f"{REPO}x", hub.root, tmp_path)
        assert "cannot be downloaded from Hugging Face" in said
        assert f"modelscope:{REPO}x uses the other hub, $HF_ENDPOINT sets a mirror" in said
        assert fetch(f"{REPO}:Q6_K", hub.root, tmp_path) == (
            f"{REPO}: which file? There is no 'Q6_K'. There are Qwen3-0.6B-Q2_K.gguf, Qwen3-0.6B-Q8_0.gguf"
        )
