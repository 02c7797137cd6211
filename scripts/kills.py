"""Kills trainings at random moments until each kind was killed a hundred times, and holds what they end with against one that nothing stopped.

    cargo build --release
    python3 scripts/kills.py [--kills 100] [--kinds value,emotion,dialogue,reward]

A killed run goes on with `--resume` until it ends; its weights, optimiser states and rows of metrics.jsonl must then be those of the run that was
left alone, byte for byte but for the seconds, and a checkpoint that has been there must never be gone. Then it begins anew. Nothing but Python's
own library is needed, and no data but that of the repository; `reward` learns from the runs of value and dialogue before it. VALUENET names another program than target/release/valuenet.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("VALUENET", str(ROOT / "target" / "release" / "valuenet"))
VALUE = ["configs/quickstart.toml", "--no-test", "--set", "train.epochs=4", "--set", "train.eval_every=10", "--set", "train.log_every=5"]
DIALOGUE = ["configs/persona-quickstart.toml", "--no-test", "--set", "train.epochs=2", "--set", "train.eval_every=10", "--limit", "60"]
REWARD = """
[task]
kind = "dialogue"
[data]
dir = "data/dialogues"
train = ["train.txt"]
eval_dialogues = 4
[model]
base = "{folder}/dialogue/whole"
max_length = 256
[dialogue]
layout = "gpt2"
[reward]
run = "{folder}/value/whole"
k = 2
dialogues = 2
max_new_tokens = 8
eval_dialogues = 2
max_kl = 1e3
max_perplexity_rise = 1e3
max_distinct_fall = 1e3
[train]
epochs = 9
max_steps = 40
batch_size = 4
learning_rate = 1e-4
schedule = "constant"
log_every = 2
eval_every = 6
"""


def arguments(kind, folder):
    if kind == "value":
        return VALUE
    if kind == "emotion":
        return ["configs/emotion-quickstart.toml", "--no-test", "--set", "train.epochs=6", "--set", "train.eval_every=10"]
    if kind == "dialogue":
        return DIALOGUE
    config = folder / "reward.toml"
    config.write_text(REWARD.format(folder=folder))
    return [str(config), "--no-test", "--limit", "12"]


def start(options, run, *more):
    return subprocess.Popen([BINARY, "-q", "train", *options, "-o", str(run), *more], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def result(run):
    """What a training is for: the bytes of its checkpoints, and its rows without their seconds."""
    files = [path for path in sorted(run.glob("checkpoints/*/*")) if path.name not in ("trainer_state.json", "README.md")]
    sums = {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        for key in [key for key in row if "second" in key]:
            del row[key]
    return sums, rows


def differences(one, other):
    (files, rows), (others, other_rows) = one, other
    found = [name for name in sorted(files.keys() | others.keys()) if files.get(name) != others.get(name)]
    return found + [f"metrics.jsonl row {n + 1}" for n, (a, b) in enumerate(zip(rows, other_rows)) if a != b][:3] + (
        ["metrics.jsonl's length"] if len(rows) != len(other_rows) else [])


def torment(kind, kills, folder, chance):
    home = folder / kind
    home.mkdir()
    options = arguments(kind, folder)
    begun = time.monotonic()
    process = start(options, home / "whole")
    if process.wait() != 0:
        raise SystemExit(f"{kind}: the run that nothing stopped failed: {process.stderr.read().decode()}")
    whole, seconds = result(home / "whole"), time.monotonic() - begun
    run, faults = home / "killed", []
    killed = ended = 0
    has_checkpoint = False
    while killed < kills:
        last = run / "checkpoints" / "last"
        more = ["--resume"] if has_checkpoint or last.exists() else ["--overwrite"]
        process = start(options, run, *more)
        try:
            code = process.wait(timeout=chance.uniform(0.0, 0.6 * seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            has_checkpoint = has_checkpoint or last.exists()
            continue
        if code != 0:
            faults.append(f"exit {code} after {killed} kills: {process.stderr.read().decode().strip()}")
        else:
            found = differences(result(run), whole)
            faults += [f"after {killed} kills another end: {', '.join(found)}"] if found else []
            ended += 1
        shutil.rmtree(run)
        has_checkpoint = False
    return seconds, killed, ended, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kinds", default="value,emotion,dialogue,reward")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance, bad = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'training':10} {'alone':>7} {'kills':>6} {'ends':>5} {'faults':>7}")
        for kind in args.kinds.split(","):
            seconds, killed, ended, faults = torment(kind, args.kills, pathlib.Path(folder), chance)
            print(f"{kind:10} {seconds:6.1f}s {killed:6} {ended:5} {len(faults):7}", flush=True)
            for fault in faults:
                print(f"  {fault}")
            bad += len(faults)
    raise SystemExit(bad > 0)


if __name__ == "__main__":
    main()
