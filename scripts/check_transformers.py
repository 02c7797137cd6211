#!/usr/bin/env python3
"""Trains a tiny model of each family for a few steps, opens its checkpoint in transformers, and compares the logits.

    python scripts/check_transformers.py PATH/TO/valuenet

The families' tiny bases are those of tests/fixtures/golden. A regression is trained with the activation "identity", so
that what `valuenet infer` writes is the logit itself; three classes are compared by p(+1) - p(-1).
"""
import csv
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()

FAMILIES = ["bert", "roberta", "distilbert", "bart", "mbart", "modernbert", "deberta-v2", "mpnet"]
VALUES = ("SECURITY POWER ACHIEVEMENT HEDONISM STIMULATION SELF-DIRECTION UNIVERSALISM BENEVOLENCE CONFORMITY "
          "TRADITION").split()
TEXTS = [
    "I helped my neighbour carry her shopping.",
    "I broke the rules on purpose, twice!",
    "caf\u00e9s",
    "moving out",
    "I wanted to be the first of my family who learns to fly, and nobody could talk me out of it.",
]
TOLERANCE = 1e-5


def ours(program, folder, family, objective):
    """Trains, and returns the checkpoint and the numbers that `infer` writes, (texts, values)."""
    run = os.path.join(folder, f"{family}-{objective}")
    settings = [
        f"model.base=tests/fixtures/golden/{family}",
        f"model.objective={objective}",
        "model.activation=identity",
        "model.max_length=60",
        "train.epochs=1",
        "train.learning_rate=1e-2",
    ]
    sets = [part for setting in settings for part in ("--set", setting)]
    train = [program, "-q", "train", "configs/quickstart.toml", "-o", run, "--limit", "64", "--no-test", *sets]
    subprocess.run(train, check=True)
    texts = os.path.join(folder, "texts.txt")
    with open(texts, "w", encoding="utf-8") as file:
        file.write("\n".join(TEXTS) + "\n")
    vectors = subprocess.run([program, "-q", "infer", run, texts, "--format", "csv"], check=True, capture_output=True)
    rows = list(csv.DictReader(vectors.stdout.decode().splitlines()))
    return os.path.join(run, "checkpoints", "best"), torch.tensor([[float(row[value]) for value in VALUES] for row in rows])


def theirs(checkpoint, objective):
    """The same numbers from transformers."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model, missing = AutoModelForSequenceClassification.from_pretrained(checkpoint, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not missing[kind], f"{checkpoint}: {kind}: {missing[kind]}"
    regression = objective == "regression"
    assert model.config.num_labels == (1 if regression else 3)
    assert model.config.problem_type == ("regression" if regression else "single_label_classification")
    numbers = []
    for text in TEXTS:
        prompts = [f"[{value}] {text}" for value in VALUES]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            logits = model.eval()(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        shares = logits.softmax(-1)
        numbers.append(logits[:, 0] if regression else shares[:, 2] - shares[:, 0])
    return type(model).__name__, torch.stack(numbers)


def main():
    program = os.path.abspath(sys.argv[1])
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES:
            for objective in ("regression", "three-class"):
                checkpoint, found = ours(program, folder, family, objective)
                name, expected = theirs(checkpoint, objective)
                far = (found - expected).abs().max().item()
                failed += far > TOLERANCE
                size = expected.abs().max().item()
                verdict = "ok" if far <= TOLERANCE else "TOO FAR"
                print(f"{family:12} {objective:12} {name:36} up to {size:.3f}  differs by {far:.1e}  {verdict}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
