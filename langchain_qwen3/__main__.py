"""`python -m langchain_qwen3`: the command, also where the folder of scripts is not on the path."""

from langchain_qwen3.cli import app

if __name__ == "__main__":
    app()
