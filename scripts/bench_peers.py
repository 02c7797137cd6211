"""Measures valuenet beside its peers in turns (A B A B); see bench_peers.sh."""
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
VALUENET = pathlib.Path(os.environ.get("VALUENET", HERE.parent / "target/release/valuenet"))


def run(command, first_line=False):
    """Runs a process: its output, its peak memory in MiB, its seconds, and those until its first line."""
    begun = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    head = process.stdout.readline() if first_line else b""
    first = time.perf_counter() - begun
    output = head + process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed: run it by hand to see why\n  {' '.join(map(str, command))}")
    return output.decode(), usage.ru_maxrss / 1024, time.perf_counter() - begun, first


def peer(*arguments):
    output, memory, *_ = run([sys.executable, HERE / "peer.py", *arguments])
    return json.loads(output.splitlines()[-1]) | {"memory": memory}


def train_ours(data, model, dtype, batch, steps, folder, device="cpu"):
    config = folder / "bench.toml"
    config.write_text("")
    sets = {"data.dir": f'"{data}"', "model.base": f'"{model}"', "model.pooling": '"pooler"', "train.batch_size": batch,
            "train.max_steps": steps + 10, "train.log_every": 10, "train.eval_every": 1_000_000, "train.dtype": f'"{dtype}"',
            "train.device": f'"{device}"'}
    sets = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    out = folder / f"run-{dtype}"
    _, memory, *_ = run([VALUENET, "train", config, *sets, "-o", out, "--overwrite", "--no-test", "-q"])
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rates = [row["samples_per_second"] for row in rows if row["event"] == "train"][1:]
    return {"rate": statistics.harmonic_mean(rates), "memory": memory}


def score_ours(model, texts, dtype, output, device="cpu"):
    how = ["--dtype", dtype, "--device", device, "-q"]
    _, memory, seconds, _ = run([VALUENET, "infer", model, texts, "--format", "npy", "-o", output, *how])
    *_, first = run([VALUENET, "infer", model, texts.with_name("one.txt"), *how], first_line=True)
    return {"rate": len(texts.read_text().splitlines()) / seconds, "memory": memory, "first": first}


def in_turns(contestants, rounds):
    results = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            results[name].append(measure())
            print(f"  {name}: {results[name][-1]}", file=sys.stderr)
    middle = lambda runs, key: statistics.median(run[key] for run in runs)
    return {name: {key: middle(runs, key) for key in runs[0]} for name, runs in results.items()}


def table(title, unit, results, pairs):
    print(f"\n{title}\n\n| | {unit} | peak MiB | first result, s |\n|---|---|---|---|")
    for name, result in results.items():
        first = f"{result['first']:.2f}" if "first" in result else ""
        print(f"| {name} | {result['rate']:.0f} | {result['memory']:.0f} | {first} |")
    for ours, theirs in pairs:
        a, b = results[ours], results[theirs]
        print(f"\n{ours} / {theirs}: speed {a['rate'] / b['rate']:.2f}, memory {a['memory'] / b['memory']:.2f}", end="")
    print()


def main(data, model, rounds="2", steps="60", count="1000"):
    import numpy
    rounds, steps, count = int(rounds), int(steps), int(count)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for batch in (32, 64):
            ours = lambda dtype: lambda: train_ours(data, model, dtype, batch, steps, folder)
            torch = lambda dtype: lambda: peer("train", model, data, dtype, batch, steps)
            contestants = {"valuenet f32": ours("f32"), "PyTorch f32": torch("f32"),
                           "valuenet bf16": ours("bf16"), "PyTorch bf16": torch("bf16")}
            pairs = [("valuenet f32", "PyTorch f32"), ("valuenet bf16", "PyTorch bf16")]
            table(f"Training, batch {batch}", "samples/s", in_turns(contestants, rounds), pairs)

        checkpoint = folder / "run-f32/checkpoints/last"
        texts = folder / "texts.txt"
        with open(f"{data}/test.csv", newline="", encoding="utf-8") as file:
            scenarios = [row["scenario"].split("] ", 1)[1] for row in csv.DictReader(file)]
        scenarios = [" ".join(scenario.split()) for scenario in scenarios[:count]]
        texts.write_text("\n".join(scenarios) + "\n", encoding="utf-8")
        (folder / "one.txt").write_text(scenarios[0] + "\n", encoding="utf-8")
        run([sys.executable, HERE / "peer.py", "export", checkpoint, folder / "onnx"])
        out = lambda name: folder / f"{name}.npy"
        ours = lambda dtype: lambda: score_ours(checkpoint, texts, dtype, out(f"valuenet {dtype}"))
        theirs = lambda name, engine: lambda: peer("score", engine, checkpoint, folder / "onnx", texts, out(name))
        contestants = {"valuenet f32": ours("f32"), "ONNX Runtime f32": theirs("ONNX Runtime f32", "onnx-f32"),
                       "valuenet bf16": ours("bf16"), "PyTorch bf16": theirs("PyTorch bf16", "torch-bf16"),
                       "ONNX Runtime int8": theirs("ONNX Runtime int8", "onnx-int8")}
        pairs = [("valuenet f32", "ONNX Runtime f32"), ("valuenet bf16", "PyTorch bf16"),
                 ("valuenet bf16", "ONNX Runtime int8")]
        results = in_turns(contestants, rounds)
        table(f"Scoring {len(scenarios)} texts under ten values", "vectors/s", results, pairs)
        exact = numpy.load(out("ONNX Runtime f32"))
        print("\nLargest difference from ONNX Runtime f32:")
        for name in contestants:
            print(f"  {name}: {numpy.abs(numpy.load(out(name)) - exact).max():.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
