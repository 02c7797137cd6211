#!/usr/bin/env python3
"""What the references make of dialogues, for tests/dialogue_layout.rs; the dialogues are our own.

    pip install transformers jinja2
    python scripts/make_golden_dialogue.py tests/fixtures/dialogue/tokenizer.json tests/fixtures/dialogue/layouts.json

The tokenizer is a byte-level BPE that knows <|endoftext|>. ChatML is rendered and tokenized as one text by
transformers' apply_chat_template, DialoGPT's as one text too; TransferTransfo's is built from the description of its
paper: a list of (token, segment, label), one token after another.
"""
import json
import sys

from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

SAIL, KNIT = "i sail every summer .", "i have two cats ."
TALK = [
    ["other", "hello ! what do you do all day ?"],
    ["self", "i mend boats , and you ?"],
    ["other", "i'm a baker . isn't the sea cold ?"],
    ["self", "never in 2021 ."],
    ["other", "do you like bread ?"],
    ["self", "with the cats ' milk , yes !"],
    ["other", "then come by !"],
]

CASES = [
    {"name": "a first reply", "persona": [SAIL, KNIT], "history": TALK[:1], "reply": TALK[1][1]},
    {"name": "three utterances", "persona": [SAIL], "history": TALK[:3], "reply": TALK[3][1]},
    {"name": "the last five of seven", "persona": [SAIL, KNIT], "history": TALK, "last": 5, "reply": "i will ."},
    {"name": "all seven", "persona": [SAIL, KNIT], "history": TALK, "last": 0, "reply": "i will ."},
    {"name": "nobody", "persona": [], "history": TALK[:1], "reply": "hi"},
    {"name": "a feeling", "persona": [], "emotion": "proud", "history": [["other", "i was promoted !"]], "reply": "well done !"},
    {
        "name": "a feeling and its cause",
        "persona": [KNIT],
        "situation": "my bread won a prize .",
        "emotion": "proud",
        "history": TALK[:1],
        "reply": "tell me about it !",
    },
    {"name": "marks beyond ASCII", "persona": ["i’m from Zürich …"], "history": [["other", "日本 😀 ?"]], "reply": "no , “no” ."},
]


def transfer_transfo(tokenizer, case, known, history):
    speaker = {"self": "<speaker1>", "other": "<speaker2>"}
    rows = [("<bos>", "<speaker1>", False)]
    pieces = lambda text: tokenizer.tokenize(text)
    rows += [(piece, "<speaker1>", False) for text in known for piece in pieces(text)]
    for who, text in history:
        rows += [(piece, speaker[who], False) for piece in [speaker[who], *pieces(text)]]
    rows += [("<speaker1>", "<speaker1>", False)]
    rows += [(piece, "<speaker1>", True) for piece in [*pieces(case["reply"]), "<eos>"]]
    number = tokenizer.convert_tokens_to_ids
    return {
        "ids": [number(token) for token, _, _ in rows],
        "segments": [number(segment) for _, segment, _ in rows],
        "loss": [int(label) for _, _, label in rows],
    }


def dialogpt(tokenizer, case, known, history):
    end = "<|endoftext|>"
    before = "".join(text + end for text in [*known, *(text for _, text in history)])
    return counted(tokenizer(before, add_special_tokens=False)["input_ids"], tokenizer(before + case["reply"] + end, add_special_tokens=False)["input_ids"])


def chatml(tokenizer, case, history):
    system = []
    if case["persona"]:
        system.append("Your persona: " + " ".join(case["persona"]))
    system += [case[key] for key in ("situation", "emotion") if key in case]
    role = {"self": "assistant", "other": "user"}
    messages = [{"role": "system", "content": "\n".join(system)}] if system else []
    messages += [{"role": role[who], "content": text} for who, text in history]
    render = lambda messages, **more: tokenizer.apply_chat_template(
        messages, chat_template=CHATML, tokenize=True, return_dict=False, **more
    )
    before = render(messages, add_generation_prompt=True)
    whole = render(messages + [{"role": "assistant", "content": case["reply"]}])
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    assert whole[-len(newline):] == newline
    return counted(before, whole[: -len(newline)])


def counted(before, whole):
    assert whole[: len(before)] == before
    return {"ids": whole, "loss": [int(place >= len(before)) for place in range(len(whole))]}


def main():
    def fresh(tokens):
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[1])
        tokenizer.add_special_tokens({"additional_special_tokens": tokens})
        return tokenizer

    gpt2 = fresh(["<bos>", "<eos>", "<speaker1>", "<speaker2>", "<pad>"])
    plain, chat = fresh([]), fresh(["<|im_start|>", "<|im_end|>"])
    for case in CASES:
        known = case["persona"] + [case[key] for key in ("situation", "emotion") if key in case]
        history = case["history"][-case.setdefault("last", 5) :]
        case["gpt2"] = transfer_transfo(gpt2, case, known, history)
        case["dialogpt"] = dialogpt(plain, case, known, history)
        case["chatml"] = chatml(chat, case, history)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in CASES)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
