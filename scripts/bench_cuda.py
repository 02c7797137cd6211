"""Measures valuenet on a GPU beside PyTorch on the same GPU, in turns; see bench_cuda.sh."""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

import bench_peers
from bench_peers import in_turns, peer, run, score_ours, table, train_ours
from peer import TOKENS

# The paper's sizes: rows of each split, epochs, and mean words of a scenario.
ROWS = {"train": 16030, "eval": 3206, "test": 2138}
EPOCHS = 40
WORDS = 11


def make_data(folder):
    """Splits of made-up words, as many and as long as ValueNet's."""
    rng = random.Random(1)
    letters = "abcdefghijklmnoprstuvw"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20000)]
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in ROWS.items():
        with open(folder / f"{split}.csv", "w", encoding="utf-8") as file:
            print("scenario,label", file=file)
            for _ in range(rows):
                text = " ".join(rng.choices(words, k=max(2, round(rng.gauss(WORDS, 4)))))
                print(f"{rng.choice(TOKENS)} {text},{rng.choice([-1, 0, 1])}", file=file)


def make_base(data, folder, size):
    """A model folder of BERT-base's shape with random weights."""
    config = folder / "base.toml"
    config.write_text("")
    sets = {"data.dir": f'"{data}"', "model.base": '"scratch"', "model.pooling": '"pooler"', "train.max_steps": 1,
            "train.device": '"cpu"', **{f"model.scratch.{key}": value for key, value in size.items()}}
    sets = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    run([bench_peers.VALUENET, "train", config, *sets, "-o", folder / "base", "--overwrite", "--no-test", "-q", "--limit", 64])
    return folder / "base/checkpoints/last"


def ceilings(device):
    """The rates of a large product and of a large copy, measured: operations a second in f32 and bf16, bytes a second."""
    import torch
    if device == "cpu":
        return None

    def seconds(work):
        for _ in range(5):
            work()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(20):
            work()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 20e3

    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(8192, 8192, device=device, dtype=dtype) for _ in range(2))
        rates[str(dtype).split(".")[1]] = 2 * 8192**3 / seconds(lambda: a @ b)
    x = torch.randn(2**30, device=device)
    y = torch.empty_like(x)
    rates["bytes"] = 2 * x.numel() * 4 / seconds(lambda: y.copy_(x))
    return rates


def floor(rates, size, tokens, batch):
    """Samples a second that the card could train at most, bf16: the larger of operations and of bytes decides.

    Operations: six a weight and token. Bytes of a step: parameter, both moments and gradient read and three of them
    written in f32, the weights read as f32 and written and read thrice as bf16, and activations left out.
    """
    hidden, inner, layers = size["hidden_size"], size["intermediate_size"], size["layers"]
    weights = layers * (4 * hidden * hidden + 2 * hidden * inner)
    everything = weights + size["vocabulary_size"] * hidden
    by_operations = 6 * weights * tokens / rates["bfloat16"]
    by_bytes = (everything * 28 + weights * (4 + 4 * 2 + 4)) / rates["bytes"] / batch
    return 1 / max(by_operations, by_bytes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="a folder with train.csv, eval.csv and test.csv; made up by default")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try this script out")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--skip-whole", action="store_true", help="leave the paper's whole training out")
    args = parser.parse_args()
    ours_on = "cuda:0" if args.device == "cuda" else args.device
    engine = "cuda" if args.device == "cuda" else "torch"
    size = {"vocabulary_size": 30000, "hidden_size": 768, "layers": args.layers, "heads": 12, "intermediate_size": 3072}
    print(subprocess.run([bench_peers.VALUENET, "env"], capture_output=True, text=True).stdout)
    rates = ceilings(args.device)
    if rates:
        print("measured: " + ", ".join(f"{name} {rate / 1e12:.2f} T/s" for name, rate in rates.items()))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = pathlib.Path(args.data) if args.data else folder / "data"
        if not args.data:
            make_data(data)
        base = make_base(data, folder, size)
        for batch in (32, 64):
            ours = lambda dtype: lambda: train_ours(data, base, dtype, batch, args.steps, folder, ours_on)
            torch = lambda dtype, mode: lambda: peer("train", base, data, dtype, batch, args.steps, args.device, mode)
            contestants = {"valuenet f32": ours("f32"), "PyTorch f32": torch("f32", "eager"),
                           "valuenet bf16": ours("bf16"), "PyTorch bf16": torch("bf16", "eager"),
                           "PyTorch bf16, compiled": torch("bf16", "compile")}
            pairs = [("valuenet f32", "PyTorch f32"), ("valuenet bf16", "PyTorch bf16"),
                     ("valuenet bf16", "PyTorch bf16, compiled")]
            table(f"Training a BERT of {args.layers} layers, batch {batch}", "samples/s", in_turns(contestants, args.rounds), pairs)
            if rates:
                print(f"\nfloor in bf16: {floor(rates, size, 17, batch):.0f} samples/s")
        texts = folder / "texts.txt"
        lines = [line.split("] ", 1)[1].rsplit(",", 1)[0] for line in (data / "train.csv").read_text().splitlines()[1:args.texts + 1]]
        texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "one.txt").write_text(lines[0] + "\n", encoding="utf-8")
        ours = lambda dtype: lambda: score_ours(base, texts, dtype, folder / f"ours-{dtype}.npy", ours_on)
        torch = lambda dtype: lambda: peer("score", f"{engine}-{dtype}", base, "-", texts, folder / f"torch-{dtype}.npy")
        contestants = {"valuenet f32": ours("f32"), "PyTorch f32": torch("f32"),
                       "valuenet bf16": ours("bf16"), "PyTorch bf16": torch("bf16")}
        pairs = [("valuenet f32", "PyTorch f32"), ("valuenet bf16", "PyTorch bf16")]
        table(f"Scoring {len(lines)} texts under ten values", "vectors/s", in_turns(contestants, args.rounds), pairs)
        import numpy
        exact = numpy.load(folder / "torch-f32.npy")
        for name in ("ours-f32", "ours-bf16", "torch-bf16"):
            print(f"largest difference from PyTorch f32, {name}: {numpy.abs(numpy.load(folder / (name + '.npy')) - exact).max():.1e}")
        if not args.skip_whole:
            config = folder / "whole.toml"
            config.write_text("")
            sets = {"data.dir": f'"{data}"', "model.base": f'"{base}"', "model.pooling": '"pooler"', "train.epochs": EPOCHS,
                    "train.learning_rate": 5e-6, "train.device": f'"{ours_on}"', "train.dtype": '"bf16"'}
            sets = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
            _, memory, seconds, _ = run([bench_peers.VALUENET, "train", config, *sets, "-o", folder / "whole", "-q"])
            outcome = json.loads((folder / "whole/run.json").read_text())
            print(f"\nthe paper's training, {ROWS['train']} samples, {EPOCHS} epochs, batch 32, bf16: {seconds:.0f} s with all "
                  f"evaluations and checkpoints ({outcome['seconds']:.0f} s in the loop)")


if __name__ == "__main__":
    main()
