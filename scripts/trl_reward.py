#!/usr/bin/env python3
"""The value reward of a running `valuenet serve` as a reward function of TRL's trainers. Python's standard library only.

    valuenet serve runs/minilm --port 8080 &
    python3 scripts/trl_reward.py          # three replies under one persona, to see that the service answers

In a program that trains, with a dataset of the columns "prompt" and "persona" (a list of sentences about the speaker):

    from trl import RLOOConfig, RLOOTrainer
    from trl_reward import reward

    trainer = RLOOTrainer(model=..., reward_funcs=reward, args=RLOOConfig(...), train_dataset=dataset)

TRL gives the function each column of the dataset by its name, repeated for the replies to the same prompt. Each reply is
a dialogue of one utterance here: where r is its cosine with the nearest persona sentence, and N the number of these, it
is worth r^2 / N, or -sqrt(-r) / N below 0 (the paper's Algorithm 1 in its bounded form). VALUENET_SERVICE is where the
service is, if it is not on this machine's port 8080.
"""
import json
import os
import urllib.error
import urllib.request

SERVICE = os.environ.get("VALUENET_SERVICE", "http://127.0.0.1:8080")
PART = 64  # dialogues of a request: with their personas fewer texts than the service's --max-texts


def asked(dialogues):
    """What the service says of these dialogues: an object for each, as docs/reward.md has it."""
    body = json.dumps({"dialogues": dialogues}).encode()
    try:
        with urllib.request.urlopen(f"{SERVICE}/reward", body, timeout=60) as answer:
            return json.load(answer)["results"]
    except urllib.error.HTTPError as error:
        # The service says in words what it does not like.
        raise RuntimeError(f"{SERVICE}/reward: {error.code}: {error.read().decode().strip()}") from error


def text_of(completion):
    """A reply's text: TRL gives a string after a text, and a list of messages after a list of messages."""
    return completion if isinstance(completion, str) else completion[0]["content"]


def reward(prompts, completions, persona, **kwargs) -> list[float]:
    """What each reply is worth for the persona that it was given. The prompts have no part in it."""
    replies = [text_of(completion).strip() for completion in completions]
    # A reply that says nothing has no values. It is worth the least there is, as in `valuenet train`.
    rewards = [-1 / len(sentences) for sentences in persona]
    spoken = [place for place, reply in enumerate(replies) if reply]
    for begin in range(0, len(spoken), PART):
        part = spoken[begin:begin + PART]
        dialogues = [{"persona": persona[place], "utterances": [replies[place]]} for place in part]
        for place, found in zip(part, asked(dialogues), strict=True):
            rewards[place] = found["reward"]
    return rewards


if __name__ == "__main__":
    OWN = ["I sail every summer.", "I hate crowds."]
    REPLIES = ["The sea calls me.", "I love big parties.", ""]
    for reply, value in zip(REPLIES, reward(["Any plans?"] * 3, REPLIES, persona=[OWN] * 3)):
        print(f"{value:7.3f}  {reply or '(nothing)'}")
