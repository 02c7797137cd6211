"""Measures our language models beside their peers in turns (A B A B); see bench_language.sh."""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
NEW = 32  # tokens after each prompt
BYTES = {"f32": 4, "bf16": 2}


def our_program(name):
    """The executable of the bench target with this name, as cargo names it."""
    command = ["cargo", "bench", "--bench", name, "--no-run", "--message-format", "json", "--quiet"]
    output = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, check=True).stdout.decode()
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [m["executable"] for m in messages if m.get("target", {}).get("name") == name][-1:]


def run(command, limit=None):
    """Runs a process that prints JSON: what it says, with its peak memory in MiB; nothing if it takes too long."""
    command = [str(part) for part in command]
    # This process stays small: a child's peak counts from what its parent had.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    killed = []
    timer = threading.Timer(limit or threading.TIMEOUT_MAX, lambda: (killed.append(True), process.kill()))
    timer.start()
    output = process.stdout.read().decode()
    timer.cancel()
    _, status, usage = os.wait4(process.pid, 0)
    if killed:
        return None
    if status:
        sys.exit(f"{command[0]} failed: run it by hand to see why\n  {' '.join(command)}")
    found = json.loads(output.splitlines()[-1])
    assert "memory" not in found, "the peak memory would take its place"
    return found | {"memory": usage.ru_maxrss / 1024}


def in_turns(contestants, rounds, limit):
    """All that was measured: a list for each contestant. One that takes longer than the limit is left out."""
    results = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, command in contestants.items():
            if name not in results:
                continue
            found = run(command, limit)
            if found is None:
                print(f"\n{name} is left out: {' '.join(command[-4:-1])} took more than {limit} s", flush=True)
                del results[name]
                continue
            results[name].append(found)
            shown = {key: round(value, 3) for key, value in found.items() if not isinstance(value, list)}
            print(f"  {name}: {shown}", file=sys.stderr)
    return results


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def ratios(results, key, invert=False):
    """Ours over each peer's, round by round, or theirs over ours: median and range."""
    others = [name for name in results if name != "valuenet"] if "valuenet" in results else []
    for other in others:
        pairs = zip(results["valuenet"], results[other])
        found = [b[key] / a[key] if invert else a[key] / b[key] for a, b in pairs]
        yield other, f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def table(title, head, rows):
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def report_training(dtype, results):
    rows = [[name, f"{middle(runs, 'rate'):.0f}", f"{middle(runs, 'step'):.2f}", f"{middle(runs, 'memory'):.0f}",
             f"{runs[0]['loss']:.5f}"] for name, runs in results.items()]
    table(f"Training, {dtype}", ["", "tokens/s", "s/step", "peak MiB", "first loss"], rows)
    memory = dict(ratios(results, "memory"))
    for other, speed in ratios(results, "rate"):
        print(f"\nvaluenet / {other}: speed {speed}, memory {memory[other]}", flush=True)


def report_generation(dtype, batch, results, floor):
    """`floor` is the number of seconds in which the memory gives the weights once."""
    for runs in results.values():
        for found in runs:
            found["token"] = (found["all"] - found["first"]) / (NEW - 1)
    ours = results["valuenet"][0]["ids"] if "valuenet" in results else []
    rows = []
    for name, runs in results.items():
        token, flat = middle(runs, "token"), lambda ids: [token for reply in ids for token in reply]
        same = [a == b for a, b in zip(flat(ours), flat(runs[0]["ids"]))]
        rows.append([name, f"{batch * NEW / middle(runs, 'all'):.1f}", f"{middle(runs, 'first'):.3f}",
                     f"{1000 * token:.1f}", f"{token / floor:.2f}", f"{middle(runs, 'memory'):.0f}",
                     f"{sum(same)} of {len(same)}"])
    head = ["", "tokens/s", "prompts, s", "ms/token", "times the floor", "peak MiB", "tokens as ours"]
    table(f"Generation, {dtype}, {batch} at once (floor {1000 * floor:.1f} ms/token)", head, rows)
    memory, steps = dict(ratios(results, "memory")), dict(ratios(results, "token", invert=True))
    for other, speed in ratios(results, "all", invert=True):
        print(f"\nvaluenet / {other}: speed {speed}, after the prompts {steps[other]}, memory {memory[other]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", default="4")
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--only", choices=["train", "generate"])
    parser.add_argument("--dtype", choices=list(BYTES))
    args = parser.parse_args()
    dtypes = {args.dtype: BYTES[args.dtype]} if args.dtype else BYTES
    ours, peer = our_program("language"), [sys.executable, str(HERE / "peer_language.py")]
    has_llama = importlib.util.find_spec("llama_cpp") is not None
    with tempfile.TemporaryDirectory() as folder:
        parameters = run([*peer, "make", folder, args.steps])["parameters"]
        rates = run([*peer, "rates"])
        print(f"The memory gives {rates['bandwidth']:.1f} GB/s; PyTorch's product of large matrices reaches"
              f" {rates['f32']:.0f} GFLOP/s in f32, {rates['bf16']:.0f} in bfloat16, on {os.cpu_count()} threads.")
        print(f"The floor of a token is {parameters / 1e6:.1f} million weights read once.", flush=True)
        for dtype in dtypes if args.only != "generate" else ():
            command = ["train", dtype, args.steps, folder]
            contestants = {"valuenet": [*ours, *command], "PyTorch": [*peer, *command]}
            report_training(dtype, in_turns(contestants, args.rounds, args.limit))
        for dtype, size in dtypes.items() if args.only != "train" else ():
            floor = parameters * size / rates["bandwidth"] / 1e9
            for batch in ("1", "32"):
                command = ["generate", dtype, batch, folder]
                contestants = {"valuenet": [*ours, *command], "transformers": [*peer, *command]}
                if batch == "1" and has_llama:
                    contestants["llama.cpp"] = [*peer, "llama", dtype, folder]
                results = in_turns(contestants, args.rounds, args.limit)
                report_generation(dtype, int(batch), results, floor)
    if not has_llama:
        print("\nllama.cpp was left out: it is not installed.")


if __name__ == "__main__":
    main()
