#!/usr/bin/env python3
"""Reference tensors of a tiny mBART for tests/golden.rs, computed by transformers and torch in float32.

    python scripts/make_golden.py tests/fixtures/golden

The tokenizer is that of the folder `bart` there, whose prompts are `<s> … </s>`, and so are the texts. The goldens of
the other families were made alike.
"""
import json
import math
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer
from transformers import MBartConfig, MBartForSequenceClassification

VALUES = ("SECURITY POWER ACHIEVEMENT HEDONISM STIMULATION SELF-DIRECTION UNIVERSALISM BENEVOLENCE CONFORMITY "
          "TRADITION").split()
KEPT = [
    "classification_head.dense.weight",
    "model.encoder.layer_norm.weight",
    "model.decoder.layer_norm.bias",
    "model.encoder.layers.0.self_attn.q_proj.weight",
    "model.decoder.layers.0.encoder_attn.k_proj.weight",
    "model.decoder.layers.0.fc1.weight",
]


def padded(encodings, pad):
    longest = max(len(encoding.ids) for encoding in encodings)
    ids = torch.full((len(encodings), longest), pad)
    mask = torch.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
        mask[row, : len(encoding.ids)] = 1
    return ids, mask


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    root = sys.argv[1]
    bart, folder = os.path.join(root, "bart"), os.path.join(root, "mbart")
    os.makedirs(folder, exist_ok=True)
    tokenizer = Tokenizer.from_file(os.path.join(bart, "tokenizer.json"))
    texts = json.load(open(os.path.join(bart, "manifest.json"), encoding="utf-8"))

    sizes = dict(encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2)
    config = MBartConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=32, encoder_ffn_dim=64, decoder_ffn_dim=64, **sizes,
        max_position_embeddings=64, scale_embedding=True, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        decoder_start_token_id=2, forced_eos_token_id=2, num_labels=3,
        id2label={0: "-1", 1: "0", 2: "1"}, label2id={"-1": 0, "0": 1, "1": 2},
    )
    model = MBartForSequenceClassification(config).eval()
    generator = torch.Generator().manual_seed(909)
    with torch.no_grad():  # with more spread than usual, so that mistakes show
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            if tensor.dim() > 1:
                wide = "embed" in name or "shared" in name
                tensor.copy_(noise * (0.2 if wide else 0.5 / math.sqrt(tensor.shape[-1])))
            else:
                tensor.copy_((1 if name.endswith("weight") else 0) + 0.15 * noise)
    model.save_pretrained(folder)
    generation = os.path.join(folder, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(bart, name), os.path.join(folder, name))

    golden = {}
    plain = texts["plain"]["texts"]
    ids, mask = padded(tokenizer.encode_batch(plain), 1)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    golden |= {"plain.input_ids": ids, "plain.attention_mask": mask}
    golden |= {"plain.last_hidden_state": out.decoder_hidden_states[-1], "plain.logits": out.logits}

    known = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(known + 10, mean_resizing=False)
    rows = 0.2 * torch.randn(10, 32, generator=generator)
    with torch.no_grad():
        model.get_input_embeddings().weight[known:] = rows
    tokenizer.add_special_tokens([AddedToken(f"[{value}]", special=True, normalized=False) for value in VALUES])
    valued = texts["valued"]["texts"]
    ids, mask = padded(tokenizer.encode_batch(valued), 1)
    classes = torch.tensor([label + 1 for label in texts["valued"]["labels"]])
    out = model(input_ids=ids, attention_mask=mask, labels=classes)
    out.loss.backward()
    gradients = {name: tensor.grad for name, tensor in model.named_parameters() if tensor.grad is not None}
    golden |= {"value.new_rows": rows, "value.input_ids": ids, "value.attention_mask": mask, "value.labels": classes}
    golden |= {"value.logits": out.logits, "value.loss_ce": out.loss.reshape(1)}
    golden |= {f"grad.{name}": gradients[name] for name in KEPT}
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in golden.items()}
    save_file(tensors, os.path.join(folder, "golden.safetensors"))
    manifest = {
        "model": "mbart",
        "plain": {"texts": plain},
        "valued": {
            "texts": valued,
            "labels": texts["valued"]["labels"],
            "added_ids": [tokenizer.token_to_id(f"[{value}]") for value in VALUES],
            "grad_l2_norms": {name: float(grad.double().norm()) for name, grad in gradients.items()},
        },
        "env": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
