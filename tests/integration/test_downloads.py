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


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "modelscope:"])
@pytest.mark.parametrize("fault", ["cut", "short", "long", "other"])
def test_file_is_never_taken_for_whole_when_it_is_another(fault: str, prefix: str, tmp_path: Path):
    """Protects from half a model, or another one: neither the first run nor the next one takes what came."""
    name, data = "Qwen3-0.6B-Q8_0.gguf", b"GGUF" + b"x" * 50_000
    spoil = {"cut": lambda data: data[:9000], "short": lambda data: data[:9000], "long": lambda data: data + b"x"}
    with FakeHub({name: data}, spoil=spoil.get(fault, bytes.upper)) as hub:
        hub.promised = len(data) if fault == "cut" else 0
        for _ in range(2):
            said = fetch(f"{prefix}{REPO}:{name}", hub.root, tmp_path)
            assert said.startswith(REPO), said[:100]
    with FakeHub({name: data}) as hub:
        assert fetch(f"{prefix}{REPO}:{name}", hub.root, tmp_path) == data.decode()


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "modelscope:"])
def test_nothing_is_written_outside_when_a_hub_lists_other_paths(prefix: str, tmp_path: Path):
    """Protects the machine's other files: a hub names the files, and its library writes where they say."""
    home = tmp_path / "a" / "b" / "c" / "home"
    home.mkdir(parents=True)
    names = [f"{tmp_path}/x-Q8_0.gguf", "../../../../../x-Q8_0.gguf", "..\\..\\x-Q8_0.gguf", "C:\\x-Q8_0.gguf"]
    with FakeHub(dict.fromkeys(names, b"GGUF")) as hub:
        assert "it has no GGUF file" in fetch(f"{prefix}{REPO}:Q8_0", hub.root, home)
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert [path for path in written if home not in path.parents] == []
