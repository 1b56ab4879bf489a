"""Overfit a 4-layer Qwen3 on the dialogues: `train.py MINUTES [START.pt LEARNING_RATE]` -> cut/model.pt.

Three rounds of 7 to 9 minutes on two cores brought every canonical dialogue out to the letter.
"""

import argparse
import logging
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from cut_tokenizer import CUT
from dialogues import DIALOGUES, Dialogue
from rendering import KINDS, iter_canonical, vary
from tokenizers import Tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

BATCH = 16
WARM_UP_STEPS = 50
NO_LOSS = -100
END_OF_TEXT, END_OF_TURN = "<|endoftext|>", "<|im_end|>"
HARD_WORDS = ("Alice is", "how are", "Count from")
HARD_CITIES = ("Beijing", "北京", "Say what")

log = logging.getLogger(__name__)

Sample = tuple[list[int], list[int]]


def is_hard(dialogue: Dialogue) -> bool:
    """Whether the first round left this dialogue unlearned: it is drawn more often."""
    questions = dialogue.questions
    return bool(questions) and (
        any(word in questions[0] for word in HARD_WORDS)
        or (bool(dialogue.calls) and any(word in question for word in HARD_CITIES for question in questions))
    )


def encode(tokenizer: Tokenizer, part: str | list[int]) -> list[int]:
    """Return the ids of a text; a part that is ids already stays as it is."""
    if isinstance(part, str):
        ids: list[int] = tokenizer.encode(part, add_special_tokens=False).ids
        return ids
    return part


def build_model(tokenizer: Tokenizer) -> Qwen3ForCausalLM:
    """Return the untrained model; its vocabulary is rounded up to a multiple of 64."""
    config = Qwen3Config(
        vocab_size=-(-tokenizer.get_vocab_size() // 64) * 64,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=40960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(END_OF_TEXT),
        eos_token_id=tokenizer.token_to_id(END_OF_TURN),
        pad_token_id=tokenizer.token_to_id(END_OF_TEXT),
        use_cache=True,
        attention_bias=False,
    )
    return Qwen3ForCausalLM(config)


def iter_batches(tokenizer: Tokenizer, rng: random.Random) -> Iterator[list[Sample]]:
    """Yield batches of samples of like length, for ever."""
    hard = [dialogue for dialogue in DIALOGUES if is_hard(dialogue)]
    while True:
        pool = []
        for _ in range(BATCH * 4):
            dialogue = rng.choice(hard if rng.random() < 0.12 else DIALOGUES)
            kind = rng.choices(KINDS, [5, 2, 3])[0]
            prompt, segments = vary(dialogue, rng, kind, tokenizer)
            ids = encode(tokenizer, prompt)
            labels = [NO_LOSS] * len(ids)
            for part, is_learned in segments:
                more = encode(tokenizer, part)
                ids += more
                labels += more if is_learned else [NO_LOSS] * len(more)
            pool.append((ids, labels))
        pool.sort(key=lambda sample: len(sample[0]))
        batches = [pool[start : start + BATCH] for start in range(0, len(pool), BATCH)]
        rng.shuffle(batches)
        yield from batches


def compute_loss(model: Qwen3ForCausalLM, batch: list[Sample], padding: int) -> torch.Tensor:
    """Return the mean loss over the tokens that are learned."""
    length = max(len(ids) for ids, _ in batch)
    inputs = torch.tensor([ids + [padding] * (length - len(ids)) for ids, _ in batch])
    labels = torch.tensor([wanted + [NO_LOSS] * (length - len(wanted)) for _, wanted in batch])[:, 1:]
    learned = labels != NO_LOSS
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=inputs).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden[learned])
    return torch.nn.functional.cross_entropy(logits.float(), labels[learned])


def train(model: Qwen3ForCausalLM, tokenizer: Tokenizer, seconds: float, learning_rate: float) -> None:
    """Train for so long, with a cosine schedule over that time."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    start = time.monotonic()
    model.train()
    for step, batch in enumerate(iter_batches(tokenizer, random.Random(0))):
        share = (time.monotonic() - start) / seconds
        if share >= 1:
            return
        warm_up = min(1, (step + 1) / WARM_UP_STEPS)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * share)) + 1e-5
        loss = compute_loss(model, batch, tokenizer.token_to_id(END_OF_TEXT))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 160 == 0:
            log.info("%3.0f%%  step %d  loss %.4f", 100 * share, step, loss.item())


def count_exact(model: Qwen3ForCausalLM, tokenizer: Tokenizer) -> tuple[int, int]:
    """Return how many canonical replies come out to the letter at temperature 0, and how many there are."""
    model.eval()
    exact = []
    with torch.no_grad():
        for _, prompt, reply in iter_canonical():
            asked, wanted = encode(tokenizer, prompt), encode(tokenizer, reply)
            logits = model(input_ids=torch.tensor([asked + wanted])).logits[0]
            exact.append(logits[len(asked) - 1 : -1].argmax(-1).tolist() == wanted)
    return sum(exact), len(exact)


def main() -> None:
    """Train one round and save the model."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("start", type=Path, nargs="?")
    parser.add_argument("learning_rate", type=float, nargs="?", default=2e-3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(CUT / "tokenizer.json"))
    model = build_model(tokenizer)
    if arguments.start:
        model.load_state_dict(torch.load(arguments.start), strict=False)
    train(model, tokenizer, arguments.minutes * 60, arguments.learning_rate)
    torch.save(model.state_dict(), CUT / "model.pt")
    model.config.save_pretrained(CUT)
    log.info("to the letter: %d of %d", *count_exact(model, tokenizer))


if __name__ == "__main__":
    main()
