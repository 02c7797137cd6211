"""One measurement of a peer, in a process of its own; prints JSON. Started by bench_peers.py."""
import json
import os
import sys
import time

STARTED = time.time()
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
import csv
import random

import numpy as np

VALUES = ["SECURITY", "POWER", "ACHIEVEMENT", "HEDONISM", "STIMULATION", "SELF-DIRECTION", "UNIVERSALISM",
          "BENEVOLENCE", "CONFORMITY", "TRADITION"]
TOKENS = [f"[{value}]" for value in VALUES]
THREADS = os.cpu_count()
WARM = {"eager": 10, "compile": 60}  # steps before the clock starts


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(row["scenario"], float(row["label"])) for row in csv.DictReader(file)]


def pad(sequences):
    longest = max(map(len, sequences))
    ids = np.zeros((len(sequences), longest), np.int64)
    mask = np.zeros((len(sequences), longest), np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, :len(sequence)] = sequence
        mask[row, :len(sequence)] = 1
    return ids, mask


def train(model, data, dtype, batch, steps, device, mode):
    """Fine-tunes as valuenet does: the same batches by length, AdamW, clipping, dropout; mode is eager or compile."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    torch.set_num_threads(THREADS)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"additional_special_tokens": TOKENS})
    net = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
    net.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    samples = rows(f"{data}/train.csv")
    ids = tokenizer([text for text, _ in samples], truncation=True, max_length=128)["input_ids"]
    order, rng, batches = list(range(len(ids))), random.Random(1), []
    rng.shuffle(order)
    for start in range(0, len(order), 50 * batch):
        pool = sorted(order[start:start + 50 * batch], key=lambda item: len(ids[item]))
        batches += [pool[at:at + batch] for at in range(0, len(pool), batch)]
    rng.shuffle(batches)
    net.to(device)
    step_of = torch.compile(net, dynamic=True) if mode == "compile" else net
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    net.train()
    seen, warm = 0, WARM[mode]
    for step, items in enumerate(batches[:steps + warm]):
        if step == warm:
            begun, seen = time.perf_counter(), 0
        tokens, mask = (torch.from_numpy(part).to(device) for part in pad([ids[item] for item in items]))
        labels = torch.tensor([samples[item][1] for item in items], device=device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == "bf16"):
            logits = step_of(input_ids=tokens, attention_mask=mask).logits.squeeze(-1)
        loss = torch.nn.functional.mse_loss(2 * torch.sigmoid(logits.float()) - 1, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()
        seen += len(items)
    print(json.dumps({"rate": seen / (time.perf_counter() - begun)}))


def export(model, folder):
    """Writes the model as ONNX: fused for BERT, and that with 8-bit weights."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from transformers import AutoModelForSequenceClassification
    os.makedirs(folder, exist_ok=True)
    net = AutoModelForSequenceClassification.from_pretrained(model, attn_implementation="eager").eval()

    class Utility(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return 2 * torch.sigmoid(net(input_ids=input_ids, attention_mask=attention_mask).logits.squeeze(-1)) - 1

    utility = Utility()
    utility.net = net
    ids = torch.randint(1000, 2000, (4, 16))
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(utility, (ids, torch.ones_like(ids)), f"{folder}/model.onnx", opset_version=17, dynamo=False,
                      input_names=["input_ids", "attention_mask"], output_names=["utility"],
                      dynamic_axes={"input_ids": axes, "attention_mask": axes, "utility": {0: "batch"}})
    config = net.config
    fused = optimizer.optimize_model(f"{folder}/model.onnx", model_type="bert", num_heads=config.num_attention_heads,
                                     hidden_size=config.hidden_size, opt_level=1)
    fused.save_model_to_file(f"{folder}/f32.onnx")
    quantize_dynamic(f"{folder}/f32.onnx", f"{folder}/int8.onnx", weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"DefaultTensorType": 1})
    print("{}")


def score(engine, model, folder, texts, output):
    """Scores every text under the ten values; engine is onnx-f32, onnx-int8, torch-f32, torch-bf16, cuda-f32 or cuda-bf16."""
    kind, dtype = engine.split("-")
    device = "cuda" if kind == "cuda" else "cpu"
    if kind == "onnx":
        import onnxruntime
        from tokenizers import Tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(f"{folder}/{dtype}.onnx", options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
        types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
        types = {put.name: types[put.type] for put in session.get_inputs()}

        def run(ids, mask):
            given = {"input_ids": ids, "attention_mask": mask}
            return session.run(None, {name: given[name].astype(kind) for name, kind in types.items()})[0]
    else:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModelForSequenceClassification
        torch.set_num_threads(THREADS)
        tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
        net = AutoModelForSequenceClassification.from_pretrained(
            model, dtype=torch.bfloat16 if dtype == "bf16" else torch.float32).eval().to(device)

        @torch.inference_mode()
        def run(ids, mask):
            given = [torch.from_numpy(part).to(device) for part in (ids, mask)]
            logits = net(input_ids=given[0], attention_mask=given[1]).logits
            return (2 * torch.sigmoid(logits.squeeze(-1).float()) - 1).cpu().numpy()
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)

    def vectors(lines):
        prompts = [f"{token} {line}" for line in lines for token in TOKENS]
        ids = [encoding.ids for encoding in tokenizer.encode_batch(prompts)]
        order = sorted(range(len(ids)), key=lambda item: -len(ids[item]))
        utilities = np.empty(len(ids), np.float32)
        batch = 1024 if device == "cuda" else 64
        for start in range(0, len(order), batch):
            items = order[start:start + batch]
            utilities[items] = run(*pad([ids[item] for item in items])).reshape(-1)
        return utilities.reshape(-1, 10)

    with open(texts, encoding="utf-8") as file:
        lines = file.read().splitlines()
    vectors(lines[:1])
    first = time.time() - STARTED
    begun = time.perf_counter()
    result = vectors(lines)
    rate = len(lines) / (time.perf_counter() - begun)
    np.save(output, result)
    print(json.dumps({"rate": rate, "first": first}))


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    if verb == "train":
        train(*arguments[:3], *map(int, arguments[3:5]), *(arguments[5:] or ["cpu", "eager"]))
    elif verb == "export":
        export(*arguments)
    else:
        score(*arguments)
