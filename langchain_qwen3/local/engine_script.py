"""The engine's process: llama.cpp's server. It ends with its parent. Run as a script by `server`.

It imports nothing of the package, so that an engine starts fast.
"""

import json
import os
import signal
import sys
from typing import Any, Final

# An idle keep-alive connection occupies one of llama.cpp's HTTP threads until it expires (5 s): with the default
# number of threads, 64 calls at once took 36 s, with 96 threads 1 s.
_HTTP_THREADS: Final = 128
CANNOT_IMPORT: Final = "cannot import: "
"""Prefix of the reply in place of the address when llama.cpp cannot be loaded."""


def serve() -> None:
    """Run the engine: read the settings from stdin, print the address, end when the parent closes stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # everything llama.cpp prints goes to the log
    try:
        server = _build_server(json.loads(sys.stdin.readline()))
    except ImportError as error:
        answer.write(f"{CANNOT_IMPORT}{' '.join(str(error).split())}\n")
        return
    except RuntimeError:
        sys.exit(1)  # its message is always the same; the reason is in the log
    answer.write(server.listening_address + "\n")
    answer.flush()
    sys.stdin.read()
    os._exit(0)  # deleting the server would wait for requests in flight


def _build_server(settings: dict[str, Any]) -> Any:
    sys.path += settings["import_path"]  # where the parent has found the library: a program may extend its own path
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.verbosity = 3 if settings["verbose"] else 1  # 1: errors, 3: the library's default
    params.model.path = settings["path"]
    params.model_alias = {settings["model"]}
    params.hostnames = [settings["host"]]
    params.port = settings["port"]
    params.api_keys = [settings["api_key"]] if settings["api_key"] else []
    params.n_ctx = settings["n_ctx"]
    params.n_parallel = settings["n_parallel"]
    if settings["n_threads"]:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["n_threads"]
    params.n_threads_http = _HTTP_THREADS
    # By default any web page in a browser may call the engine and read its answers. llama.cpp's own page needs no
    # such permission: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    params.cors_origins = "none"
    params.use_jinja = True
    format_name = settings["reasoning_format"].upper().replace("-", "_")
    params.reasoning_format = getattr(xllamacpp.common_reasoning_format, f"COMMON_REASONING_FORMAT_{format_name}")
    params.endpoint_props = params.endpoint_slots = params.endpoint_metrics = True
    return xllamacpp.Server(params)


if __name__ == "__main__":
    serve()
