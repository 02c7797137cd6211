#!/usr/bin/env python3
"""Trains a tiny model of each family for a few steps, opens its checkpoint in transformers, and compares the logits.

    python scripts/check_transformers.py PATH/TO/valuenet

The families' tiny bases are those of tests/fixtures/golden. A regression is trained with the activation "identity", so
that what `valuenet infer` writes is the logit itself; classes are compared by their utility. Shared prompts are read by
the encoder under a mask: the text sees itself, and the pair of each value the text and itself. With shared layers a BERT's
first layer reads the text alone, and the pairs enter the next one as they are embedded.
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
SHARING = ["bert", "roberta", "distilbert"]
OBJECTIVES = ["regression", "three-class", "joint", "ordinal", "relevance"]
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


def ours(program, folder, family, objective, prompt="each", shared_layers=0):
    """Trains, and returns the checkpoint and the numbers that `infer` writes, (texts, values)."""
    run = os.path.join(folder, f"{family}-{objective}-{prompt}-{shared_layers}")
    settings = [
        f"model.base=tests/fixtures/golden/{family}",
        f"model.objective={objective}",
        f"model.prompt={prompt}",
        f"model.shared_layers={shared_layers}",
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
    labels, problem = {
        "regression": (1, "regression"),
        "relevance": (1, "multi_label_classification"),
        "ordinal": (2, "multi_label_classification"),
    }.get(objective, (3, "single_label_classification"))
    assert (model.config.num_labels, model.config.problem_type) == (labels, problem)
    numbers = []
    for text in TEXTS:
        prompts = [f"[{value}] {text}" for value in VALUES]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            logits = model.eval()(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        numbers.append(utilities(logits, objective))
    return type(model).__name__, torch.stack(numbers)


def utilities(logits, objective):
    """What the logits, (rows, logits), stand for: (rows)."""
    if objective == "regression":
        return logits[:, 0]
    if objective == "relevance":
        return logits[:, 0].sigmoid()
    if objective == "ordinal":
        at_least_0, at_least_1 = logits.sigmoid().unbind(-1)
        return at_least_0 * (1 + at_least_1) - 1
    return logits.softmax(-1) @ torch.tensor([-1.0, 0.0, 1.0])


def theirs_shared(checkpoint, family, objective, shared_layers):
    """The ten numbers of each text from one pass of transformers' encoder."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, attn_implementation="eager").eval()
    ids_of_values = tokenizer.convert_tokens_to_ids([f"[{value}]" for value in VALUES])
    numbers = []
    for text in TEXTS:
        prompt = tokenizer(f"[{VALUES[0]}] {text}", truncation=True)["input_ids"]
        start, own = prompt[0], prompt[2:]
        ids = own + [token for value in ids_of_values for token in (start, value)]
        count, rows = len(own), len(ids)
        positions = torch.tensor([*range(2, count + 2), *[0, 1] * len(VALUES)])
        positions += model.config.pad_token_id + 1 if family == "roberta" else 0
        place = torch.arange(rows)
        pair = torch.where(place < count, -1, (place - count) // 2)
        sees = (place[None] < count) | ((pair[:, None] >= 0) & (pair[:, None] == pair[None]))
        mask = torch.zeros(rows, rows).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]
        firsts = range(count, rows, 2)
        with torch.no_grad():
            encoder = model.base_model
            if family == "distilbert":  # its embeddings take no positions
                embeddings = encoder.embeddings
                x = embeddings.word_embeddings(torch.tensor([ids])) + embeddings.position_embeddings(positions)[None]
                states = encoder.transformer(embeddings.LayerNorm(x), attention_mask=mask)[0]
            elif shared_layers:
                states = encoder.embeddings(input_ids=torch.tensor([ids]), position_ids=positions[None])
                for number, layer in enumerate(encoder.encoder.layer):
                    if number < shared_layers:
                        text = layer(states[:, :count], attention_mask=mask[..., :count, :count])
                        states = torch.cat([text[0].view(1, count, -1), states[:, count:]], dim=1)
                    else:
                        states = layer(states, attention_mask=mask)[0].view(1, rows, -1)
            else:
                encode = {"position_ids": positions[None], "attention_mask": mask}
                states = encoder(input_ids=torch.tensor([ids]), **encode).last_hidden_state
            states = states[0, firsts]  # (values, hidden)
            if family == "bert":
                logits = model.classifier(encoder.pooler.dense(states).tanh())
            elif family == "roberta":
                logits = model.classifier(states[:, None])
            else:
                logits = model.classifier(model.pre_classifier(states).relu())
        numbers.append(utilities(logits, objective))
    above = f" above {shared_layers}" if shared_layers else ""
    return f"{type(model).__name__}, shared{above}", torch.stack(numbers)


def main():
    program = os.path.abspath(sys.argv[1])
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = [(family, objective, "each", 0) for family in FAMILIES for objective in OBJECTIVES]
        cases += [(family, objective, "shared", 0) for family in SHARING for objective in ("regression", "joint")]
        cases.append(("bert", "joint", "shared", 1))
        for family, objective, prompt, shared_layers in cases:
            checkpoint, found = ours(program, folder, family, objective, prompt, shared_layers)
            if prompt == "shared":
                name, expected = theirs_shared(checkpoint, family, objective, shared_layers)
            else:
                name, expected = theirs(checkpoint, objective)
            far = (found - expected).abs().max().item()
            failed += far > TOLERANCE
            size = expected.abs().max().item()
            verdict = "ok" if far <= TOLERANCE else "TOO FAR"
            print(f"{family:12} {objective:12} {name:44} up to {size:.3f}  differs by {far:.1e}  {verdict}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
