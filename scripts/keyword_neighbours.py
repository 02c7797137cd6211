"""Words near a value's original keywords in an embedding space: candidates for the `embedding` lists in
configs/keywords-extended.

    python scripts/keyword_neighbours.py MODEL [COUNT]

MODEL is all-MiniLM-L6-v2, as a folder or a name on the hub. Candidates are the whole words of its vocabulary; a word belongs
to the value with the largest mean of its three nearest original keywords by cosine. What it prints was gone through by hand:
names, fragments and words without a bearing on the value were left out. Needs torch and transformers, and no dataset.
"""

import sys
import tomllib
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

model_name, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
tokenizer = AutoTokenizer.from_pretrained(model_name)
model = AutoModel.from_pretrained(model_name).eval()


@torch.no_grad()
def embed(texts):
    rows = []
    for start in range(0, len(texts), 512):
        batch = tokenizer(texts[start : start + 512], padding=True, return_tensors="pt")
        states = model(**batch).last_hidden_state  # (batch, seq, hidden)
        mask = batch["attention_mask"].unsqueeze(-1)
        rows.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)))
    return torch.cat(rows)  # (texts, hidden), of length 1


folder = Path(__file__).parent.parent / "configs" / "keywords-extended"
lists = {path.stem: tomllib.loads(path.read_text()) for path in sorted(folder.glob("*.toml"))}
known = {word for one in lists.values() for name in ("original", "associated") for word in one[name]}
words = [word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 3]
words = sorted(set(words) - known)
near = embed(words)
scores = {}
for value, one in lists.items():
    scores[value] = (near @ embed(one["original"]).T).topk(3).values.mean(1)  # (words)
best = torch.stack(list(scores.values())).argmax(0)
for index, (value, score) in enumerate(scores.items()):
    order = [at for at in score.argsort(descending=True).tolist() if best[at] == index][:count]
    print(value, *(f"{words[at]}:{score[at]:.2f}" for at in order))
