"""What score_spark.py and score_ray.py share: the table, the worker, the comparison with a plain `infer`."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("VALUENET", str(HERE.parent / "target" / "release" / "valuenet"))
WHO = ["the mayor", "a neighbour", "my sister", "an old friend", "the new boss", "a stranger", "the team", "her doctor"]
DID = ["shared the prize", "kept the secret", "broke the rule", "took the risk", "helped the poor", "praised the old ways", "ate the last cake",
       "won the race", "left the party", "asked for more power"]


def make(path, rows):
    """A table of made-up texts with ids, in some sixty row groups, so that there is enough to hand out."""
    def text(row):
        return f"{WHO[row % len(WHO)]} {DID[row // len(WHO) % len(DID)]} in year {row}"
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "text": [text(row) for row in range(rows)]})
    pq.write_table(table, path, row_group_size=max(100, rows // 64), compression="snappy")


def command(model, threads):
    """One worker: a stream of batches in, a stream of batches out."""
    return [BINARY, "--quiet", "--threads", str(threads), "infer", model, "-", "--from", "arrow", "--to", "arrow", "--keep", "id"]


class Worker:
    """A process that is started once and given batch after batch."""

    def __init__(self, model, threads=1):
        self.process = subprocess.Popen(command(model, threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.into = self.out = None

    def score(self, batch):
        if self.into is None:
            self.into = pa.ipc.new_stream(self.process.stdin, batch.schema)
        self.into.write_batch(batch)
        self.process.stdin.flush()
        if self.out is None:
            self.out = pa.ipc.open_stream(self.process.stdout)
        return self.out.read_next_batch()

    def close(self):
        if self.into is not None:
            self.into.close()
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise RuntimeError(f"valuenet ended with {self.process.returncode}")


def kill_one(after):
    """Kills the worker process that is found first, after so many seconds."""
    time.sleep(after)
    found = subprocess.run(["pgrep", "-f", "infer .* --from arrow"], capture_output=True, text=True).stdout.split()
    if found:
        os.kill(int(found[0]), signal.SIGKILL)
        print(f"killed worker {found[0]}", flush=True)


def plain(model, source, target):
    """The same rows by `infer` alone; the seconds that it took."""
    begun = time.perf_counter()
    subprocess.run([BINARY, "--quiet", "infer", model, source, "--keep", "id", "-o", target], check=True)
    return time.perf_counter() - begun


def compare(name, found, wanted, seconds, alone):
    """Ends the program unless both tables hold the same rows, bit for bit."""
    found = pa.concat_tables([found.select(wanted.column_names)]).sort_by("id")
    same = found.num_rows == wanted.num_rows and all(
        pc.all(pc.equal(found[column].combine_chunks(), wanted[column].combine_chunks())).as_py() for column in wanted.column_names)
    rows = wanted.num_rows
    print(f"{name}: {rows} rows in {seconds:.1f} s ({rows / seconds:.0f}/s), infer alone in {alone:.1f} s ({rows / alone:.0f}/s): "
          f"{seconds / alone - 1:+.1%}; {'the same rows' if same else 'OTHER ROWS'}", flush=True)
    if not same:
        sys.exit(1)
