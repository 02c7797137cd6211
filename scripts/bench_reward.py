"""Measures a step of training by rewards beside TRL's in turns (A B A B); see bench_reward.sh."""
import argparse
import os
import statistics
import sys
import tempfile

from bench_language import BYTES, HERE, in_turns, middle, our_program, ratios, run, table
from peer_language import SHAPE


def refuse_other_work(results):
    """Ends the program where somebody did something else than ours."""
    ours = results["valuenet"][0]
    for name, runs in results.items():
        for found in runs:
            same = {"prompts": found["prompts"] == ours["prompts"], "replies": found["replies"] == ours["replies"],
                    "tokens": abs(found["tokens"] - ours["tokens"]) < 0.2,
                    "reward": abs(found["reward"] - ours["reward"]) < 1e-6,
                    "entropy": abs(found["entropy"] - ours["entropy"]) < 0.02 * ours["entropy"]}
            for key in (key for key, is_same in same.items() if not is_same):
                values = "" if key == "prompts" else f": {found[key]}, not {ours[key]}"
                sys.exit(f"{name} did other work than valuenet, by its {key}{values}")


def report(dtype, results):
    rows = [[name, f"{1 / middle(runs, 'step'):.4f}", f"{middle(runs, 'step'):.2f}", f"{middle(runs, 'memory'):.0f}",
             f"{len(runs[0]['prompts'])}", f"{runs[0]['replies']}",
             f"{statistics.mean(run['tokens'] for run in runs):.2f}", f"{runs[0]['entropy']:.3f}"]
            for name, runs in results.items()]
    head = ["", "steps/s", "s/step", "peak MiB", "prompts", "replies", "tokens a reply", "first entropy"]
    table(f"A step of rewards, {dtype}", head, rows)
    memory = dict(ratios(results, "memory"))
    for other, speed in ratios(results, "step", invert=True):
        print(f"\nvaluenet / {other}: speed {speed}, memory {memory[other]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--limit", type=float, default=1200)
    parser.add_argument("--dtype", choices=list(BYTES))
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"])
    args = parser.parse_args()
    ours, peer = our_program("reward"), [sys.executable, str(HERE / "peer_reward.py")]
    with tempfile.TemporaryDirectory() as folder:
        run([*peer, "make", args.layers, folder])
        print(f"A Llama of {args.layers} layers, on {os.cpu_count()} threads.", flush=True)
        for dtype in [args.dtype] if args.dtype else BYTES:
            command = [dtype, str(args.steps), folder]
            contestants = {"valuenet": [*ours, "train", *command], "TRL": [*peer, "train", *command]}
            if args.checkpointing:
                contestants["TRL, checkpointing"] = [*peer, "checkpointing", *command]
            results = in_turns(contestants, args.rounds, args.limit)
            if "valuenet" in results:
                refuse_other_work(results)
            report(dtype, results)


if __name__ == "__main__":
    main()
