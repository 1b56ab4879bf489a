"""What a model's name means, and which of a repository's files is taken."""

from pathlib import Path

import pytest

from langchain_qwen3.local.downloads import DownloadError, HubModel, choose_files, fetch_model, read_name
from tests.faults.server import closed_port

REPO = "Qwen/Qwen3-0.6B-GGUF"
FILES = [
    "README.md",
    "Qwen3-0.6B-Q8_0.gguf",
    "Qwen3-0.6B-IQ4_XS.gguf",
    "Qwen3-0.6B-Q4_K_M.gguf",
    "mmproj-Qwen3-0.6B-Q4_K_M.gguf",
]
SPLIT = [f"BF16/Qwen3-235B-BF16-{part:05}-of-00003.gguf" for part in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (REPO, HubModel("huggingface", REPO)),
        (f"hf:{REPO}", HubModel("huggingface", REPO)),
        (f"modelscope:{REPO}", HubModel("modelscope", REPO)),
        (f"{REPO}:Qwen3-0.6B-Q8_0.gguf", HubModel("huggingface", REPO, "Qwen3-0.6B-Q8_0.gguf")),
        (f"ms:{REPO}:Q8_0", HubModel("modelscope", REPO, "Q8_0")),
        (f"{REPO}:BF16/a-00001-of-00003.gguf", HubModel("huggingface", REPO, "BF16/a-00001-of-00003.gguf")),
        ("models/qwen3.gguf", Path("models/qwen3.gguf")),
        ("qwen3.gguf", Path("qwen3.gguf")),
        ("/models/Qwen/Qwen3-0.6B", Path("/models/Qwen/Qwen3-0.6B")),
    ],
)
def test_reads_what_a_name_means(name: str, expected: HubModel | Path):
    """Protects a path from being looked for on the internet, and a repository from being looked for on the disk."""
    assert read_name(name) == expected


def test_takes_what_exists_for_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects a local folder that is named like a repository."""
    (tmp_path / "Qwen" / "Qwen3-0.6B-GGUF").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert read_name(REPO) == Path(REPO)


def test_gives_a_path_back_as_it_is():
    """Protects `serve` without the extra: a local file needs no hub's library."""
    assert fetch_model("here/qwen3.gguf") == Path("here/qwen3.gguf")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", ["Qwen3-0.6B-Q4_K_M.gguf"]),
        ("Q8_0", ["Qwen3-0.6B-Q8_0.gguf"]),
        ("q8_0", ["Qwen3-0.6B-Q8_0.gguf"]),
        ("IQ4_XS", ["Qwen3-0.6B-IQ4_XS.gguf"]),
        ("Qwen3-0.6B-Q8_0.gguf", ["Qwen3-0.6B-Q8_0.gguf"]),
    ],
)
def test_chooses_the_file(wanted: str, expected: list[str]):
    """Protects from a download of gigabytes of the wrong file; a projector for images is no model."""
    assert choose_files(FILES, wanted) == expected


def test_takes_the_only_file_when_nothing_is_preferred():
    """Protects repositories that hold one file of a rare quantization."""
    assert choose_files(["README.md", "a-F16.gguf"], "") == ["a-F16.gguf"]


@pytest.mark.parametrize("wanted", ["", "BF16", SPLIT[0]])
def test_takes_every_part_when_the_file_is_split(wanted: str):
    """Protects large models: llama.cpp opens the first part and needs the others beside it."""
    assert choose_files([*reversed(SPLIT), "README.md"], wanted) == SPLIT


@pytest.mark.parametrize(
    ("files", "wanted", "said"),
    [
        (FILES, "Q6_K", "no 'Q6_K'. There are Qwen3-0.6B-IQ4_XS.gguf, Qwen3-0.6B-Q4_K_M.gguf, Qwen3-0.6B-Q8_0.gguf"),
        (["a-F16.gguf", "a-F32.gguf"], "", "There are a-F16.gguf, a-F32.gguf"),
        (["model.safetensors"], "", "no GGUF file: use a repository whose name ends in -GGUF"),
        (FILES, "XS", "There is no 'XS'"),
    ],
)
def test_raises_with_the_files_when_none_can_be_chosen(files: list[str], wanted: str, said: str):
    """Protects the user from guessing: the text lists what there is."""
    with pytest.raises(ValueError, match=said):
        choose_files(files, wanted)


@pytest.mark.parametrize("file", ["", ":model-Q8_0.gguf"])
@pytest.mark.parametrize(("hub", "mirror"), [("hf", "HF_ENDPOINT"), ("modelscope", "MODELSCOPE_ENDPOINT")])
def test_says_in_one_line_what_to_do_when_there_is_no_network(
    hub: str, mirror: str, file: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Protects `serve` on a machine off the net: at once, without the hub's own words, and with a way out."""
    monkeypatch.setenv(mirror, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(DownloadError) as raised:
        fetch_model(f"{hub}:{REPO}{file}")
    assert capfd.readouterr() == ("", "")
    what, fix = str(raised.value).split("\n")
    assert what.startswith(f"{REPO} is not on this machine, and ")
    other = f", take it from ModelScope (modelscope:{REPO})" if hub == "hf" else ""  # open where the first is not
    assert fix == f"Check the network, set a mirror in ${mirror}{other}, or pass the path of a GGUF file."


@pytest.mark.parametrize("file", ["../x.gguf", "a/../../x.gguf", "/etc/x.gguf", "..", "a/.."])
def test_name_is_no_hub_model_when_its_file_leads_out_of_the_folder(file: str) -> None:
    """Protects the machine's other files from a name that was copied from somewhere."""
    assert isinstance(read_name(f"Qwen/Qwen3-0.6B-GGUF:{file}"), Path)


@pytest.mark.parametrize(
    "file",
    [
        "/etc/x-Q8_0.gguf",
        "../x-Q8_0.gguf",
        "a/../../x-Q8_0.gguf",
        "a/./x-Q8_0.gguf",
        "..\\x-Q8_0.gguf",
        "C:\\x-Q8_0.gguf",
        "C:x-Q8_0.gguf",
        "\\\\host\\x-Q8_0.gguf",
        "%2e%2e/x-Q8_0.gguf",
        "x\x1b]0;y\x07-Q8_0.gguf",
        "x\n-Q8_0.gguf",
        "x" * 600 + "-Q8_0.gguf",
        "Q8_0-" * 5000 + ".gguf",
    ],
)
@pytest.mark.parametrize("choice", ["", "Q8_0"])
def test_file_of_a_hub_is_ignored_when_its_name_leads_out_of_the_folder(file: str, choice: str) -> None:
    """Protects the machine's other files from a hub or mirror: its list names the files that are written."""
    with pytest.raises(ValueError, match="no GGUF file"):
        choose_files([file], choice)
    with pytest.raises(ValueError, match="no GGUF file"):
        choose_files([file], file)
    assert choose_files([file, "UD/a b(1)+c-Q8_0.gguf"], "Q8_0") == ["UD/a b(1)+c-Q8_0.gguf"]
