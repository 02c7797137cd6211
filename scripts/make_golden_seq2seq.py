#!/usr/bin/env python3
"""Reference tensors of a tiny sequence-to-sequence network for tests/seq2seq.rs, computed by torch in float64.

    python scripts/make_golden_seq2seq.py tests/fixtures/golden/seq2seq

The module below says what src/model/seq2seq.rs computes, one dialogue at a time and with torch.nn.LSTM.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn

SIZES = {"vocab_size": 23, "embedding_size": 6, "hidden_size": 8, "num_layers": 2}
BOS, EOS = 1, 2
PROMPTS, REPLIES = [3, 7, 1, 5], [4, 1, 6, 2]  # numbers of tokens


class AdditiveAttention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, states, memory):  # (reply, hidden), (prompt, hidden)
        sums = self.query(states).unsqueeze(1) + self.key(memory).unsqueeze(0)
        scores = self.score(torch.tanh(sums)).squeeze(-1)  # (reply, prompt)
        return torch.softmax(scores, dim=-1) @ memory


class Combine(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.context = nn.Linear(hidden, hidden, bias=False)
        self.state = nn.Linear(hidden, hidden)

    def forward(self, context, state):
        return torch.tanh(self.context(context) + self.state(state))


class Seq2SeqAttention(nn.Module):
    def __init__(self, vocab_size, embedding_size, hidden_size, num_layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.encoder = nn.LSTM(embedding_size, hidden_size, num_layers)
        self.decoder = nn.LSTM(embedding_size, hidden_size, num_layers)
        self.attention = AdditiveAttention(hidden_size)
        self.combine = Combine(hidden_size)
        self.output = nn.Linear(hidden_size, vocab_size, bias=False)

    def forward(self, prompt, reply):  # ids to (reply) log-probabilities
        memory, last = self.encoder(self.embedding(prompt))
        read = torch.cat([torch.tensor([BOS]), reply[:-1]])
        states, _ = self.decoder(self.embedding(read), last)
        logits = self.output(self.combine(self.attention(states, memory), states))
        return torch.log_softmax(logits, dim=-1).gather(1, reply.unsqueeze(1)).squeeze(1)


def ids(lengths, generator):
    return [torch.randint(3, SIZES["vocab_size"], (length,), generator=generator) for length in lengths]


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    generator = torch.Generator().manual_seed(2022)
    model = Seq2SeqAttention(**SIZES)
    with torch.no_grad():  # with more spread than usual, so that mistakes show
        for _, tensor in sorted(model.named_parameters()):
            tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))
    weights = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    config = {"model_type": "valuenet-seq2seq", **SIZES, "dropout": 0.2, "bos_token_id": BOS, "eos_token_id": EOS}
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
        file.write("\n")

    prompts, replies = ids(PROMPTS, generator), ids(REPLIES, generator)
    for reply in replies:
        reply[-1] = EOS
    model.double()
    found = torch.cat([model(prompt, reply) for prompt, reply in zip(prompts, replies)])
    token_weights = torch.randn(len(found), generator=generator)
    token_weights[[1, 6]] = 0  # as of a reply that is not to be learned from
    loss = -(token_weights.double() * found).sum()
    loss.backward()
    golden = {"prompts.ids": torch.cat(prompts), "prompts.lengths": torch.tensor(PROMPTS)}
    golden |= {"replies.ids": torch.cat(replies), "replies.lengths": torch.tensor(REPLIES)}
    golden |= {"weights": token_weights, "log_probabilities": found.detach().float()}
    golden["loss"] = loss.detach().float().reshape(1)
    golden |= {f"grad.{name}": tensor.grad.float().contiguous() for name, tensor in model.named_parameters()}
    save_file(golden, os.path.join(folder, "golden.safetensors"), metadata={"torch": torch.__version__})


if __name__ == "__main__":
    main()
