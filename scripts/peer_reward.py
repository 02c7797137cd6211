"""One measurement of TRL's RLOO trainer, in a process of its own; prints JSON. Started by bench_reward.py.

    peer_reward.py make LAYERS FOLDER                      the model and the dialogues that both learn from
    peer_reward.py train f32|bf16 STEPS FOLDER             the trainer that keeps activations; bf16 is autocast
    peer_reward.py checkpointing f32|bf16 STEPS FOLDER     the same with gradient checkpointing
"""
import json
import os
import pathlib
import random
import sys
import time

from peer_language import SHAPE, THREADS  # which also keeps the hub's library from asking the network

WARM = 1  # steps before the clock starts
DIALOGUES = 2
TURNS = 7  # of each speaker in a dialogue
K = 4  # replies to each prompt
NEW = 32  # tokens of a reply at most
KL = 0.05
LEARNING_RATE = 1e-5
BATCH = 8  # replies in a pass: some 2,000 tokens, as in ours
START, END, PAD = "<|im_start|>", "<|im_end|>", "<pad>"
ROLES = {"other": "user", "self": "assistant"}


def make(layers, folder):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(**SHAPE | {"num_hidden_layers": layers})).save_pretrained(folder)
    # A token for each word, so that the text of a prompt is its ids. END is as unlikely as any other of 49,152 tokens,
    # so that replies are as long as they may be on both sides.
    known = ["<unk>", START, END, PAD, "system", "user", "assistant", "Your", "persona:"]
    words = [f"w{number}" for number in range(SHAPE["vocab_size"] - len(known))]
    vocabulary = {word: number for number, word in enumerate(known + words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token=PAD, eos_token=END,
                                        additional_special_tokens=[START])
    tokenizer.save_pretrained(folder)
    rng = random.Random(1)
    text = lambda mean: " ".join(rng.choices(words, k=max(5, round(rng.gauss(mean, 3)))))
    with pathlib.Path(folder, "dialogues.jsonl").open("w") as file:
        for _ in range(DIALOGUES):
            turns = [{"who": who, "text": text(14)} for _ in range(TURNS) for who in ("other", "self")]
            print(json.dumps({"persona": [text(11) for _ in range(5)], "turns": turns}), file=file)
    return {}


def prompts(folder):
    """The text before each own turn in ChatML, as ours lays it out, without the line ends: they are no tokens here."""
    for line in pathlib.Path(folder, "dialogues.jsonl").read_text().splitlines():
        dialogue = json.loads(line)
        said = f"{START} system Your persona: {' '.join(dialogue['persona'])} {END}"
        for turn in dialogue["turns"]:
            if turn["who"] == "self":
                yield f"{said} {START} assistant"
            said += f" {START} {ROLES[turn['who']]} {turn['text']} {END}"


def train(dtype, steps, folder, checkpointing=False):
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import RLOOConfig, RLOOTrainer
    torch.set_num_threads(THREADS)
    texts, times, seen = list(prompts(folder)), [], []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            times.append(time.perf_counter())

    def reward(prompts, completions, **_):
        """The j-th reply to each prompt is worth j / K, whatever it says; the replies to a prompt stand together."""
        seen[:] = prompts
        return [place % K / K for place in range(len(completions))]

    settings = RLOOConfig(
        output_dir=os.path.join(folder, "trl"), use_cpu=True, bf16=dtype == "bf16",
        gradient_checkpointing=checkpointing,
        num_generations=K, max_completion_length=NEW, temperature=1.0, beta=KL,
        per_device_train_batch_size=BATCH, gradient_accumulation_steps=len(texts) * K // BATCH,
        learning_rate=LEARNING_RATE, lr_scheduler_type="constant", weight_decay=0.01, max_grad_norm=1.0,
        max_steps=WARM + steps, shuffle_dataset=False, seed=1,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    trainer = RLOOTrainer(
        model=folder, reward_funcs=reward, args=settings, train_dataset=Dataset.from_dict({"prompt": texts}),
        processing_class=tokenizer, callbacks=[Clock()])
    trainer.train()
    rows = [row for row in trainer.state.log_history if "reward" in row]
    assert len(times) == len(rows) == WARM + steps
    mean = lambda key: sum(row[key] for row in rows) / len(rows)
    return {"step": (times[-1] - times[WARM - 1]) / steps, "prompts": tokenizer(seen[::K])["input_ids"],
            "replies": len(seen), "tokens": mean("completions/mean_length"), "reward": mean("reward"),
            "entropy": rows[0]["entropy"]}


def checkpointing(dtype, steps, folder):
    return train(dtype, steps, folder, checkpointing=True)


if __name__ == "__main__":
    modes = {"make": make, "train": train, "checkpointing": checkpointing}
    arguments = [int(part) if part.isdigit() else part for part in sys.argv[2:]]
    print(json.dumps(modes[sys.argv[1]](*arguments)))
