"""Cut Qwen3's tokenizer down to what the dialogues need: tokenizer/ -> cut/tokenizer.json."""

import json
import random
import re
from itertools import pairwise
from typing import Any

from dialogues import DIALOGUES
from rendering import FULL_TOKENIZER_FILE, HERE, KINDS, vary
from tokenizers import Tokenizer

SAMPLES_EACH = 30
FIRST_MERGES = 3000
"""The commonest merges are kept whether the dialogues use them or not."""
BYTE_TOKENS = 256

CUT = HERE / "cut"
Merge = tuple[str, str]


def find_used_merges(texts: list[str], full: dict[str, Any], tokenizer: Tokenizer) -> list[Merge]:
    """Return the merges that encoding the texts takes, in their order."""
    merges: list[Merge] = [(left, right) for left, right in full["model"]["merges"]]
    rank = {merge: index for index, merge in enumerate(merges)}
    used = set(range(FIRST_MERGES))
    specials = sorted((token["content"] for token in full["added_tokens"]), key=len, reverse=True)
    split = re.compile("|".join(map(re.escape, specials))).split
    parts = {part for text in texts for part in split(text) if part}
    words = {
        word
        for part in parts
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(part))
    }
    for word in words:
        pieces = list(word)
        while candidates := [rank[pair] for pair in pairwise(pieces) if pair in rank]:
            first = min(candidates)
            used.add(first)
            pieces = merge_pieces(pieces, merges[first])
    return [merges[index] for index in sorted(used)]


def merge_pieces(pieces: list[str], merge: Merge) -> list[str]:
    """Return the pieces with every occurrence of the merge's pair joined."""
    merged: list[str] = []
    rest = iter(range(len(pieces)))
    for index in rest:
        if tuple(pieces[index : index + 2]) == merge:
            merged.append("".join(merge))
            next(rest)
        else:
            merged.append(pieces[index])
    return merged


def cut(full: dict[str, Any], merges: list[Merge]) -> tuple[dict[str, Any], dict[int, int]]:
    """Return the tokenizer with these merges and every special token, and its ids by the old ones."""
    vocab: dict[str, int] = full["model"]["vocab"]
    by_id = sorted(vocab, key=vocab.__getitem__)
    tokens = {
        *by_id[:BYTE_TOKENS],
        *(token for left, right in merges for token in (left, right, left + right)),
    }
    kept = sorted(tokens, key=vocab.__getitem__)
    ids = {vocab[token]: index for index, token in enumerate(kept)}
    added = []
    for token in full["added_tokens"]:
        ids[token["id"]] = len(ids)
        added.append({**token, "id": ids[token["id"]]})
    model = {
        **full["model"],
        "vocab": {token: index for index, token in enumerate(kept)},
        "merges": [list(merge) for merge in merges],
    }
    return {**full, "added_tokens": added, "model": model}, ids


def main() -> None:
    """Cut, write, and check that every training text is encoded as before."""
    full = json.loads(FULL_TOKENIZER_FILE.read_text())
    tokenizer = Tokenizer.from_file(str(FULL_TOKENIZER_FILE))
    rng = random.Random(0)
    texts = []
    for dialogue in DIALOGUES:
        for kind in KINDS:
            for _ in range(SAMPLES_EACH):
                prompt, segments = vary(dialogue, rng, kind, tokenizer)
                parts = (
                    part if isinstance(part, str) else tokenizer.decode(part, skip_special_tokens=False)
                    for part, _ in segments
                )
                texts.append(prompt + "".join(parts))
    small, ids = cut(full, find_used_merges(texts, full, tokenizer))
    CUT.mkdir(exist_ok=True)
    (CUT / "tokenizer.json").write_text(json.dumps(small, ensure_ascii=False))
    small_tokenizer = Tokenizer.from_file(str(CUT / "tokenizer.json"))
    for text in texts:
        if [ids.get(old) for old in tokenizer.encode(text).ids] != small_tokenizer.encode(text).ids:
            raise ValueError(f"the cut tokenizer encodes differently: {text!r}")


if __name__ == "__main__":
    main()
