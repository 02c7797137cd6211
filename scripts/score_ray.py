"""Scores a table with Ray Data on two workers, one of which is killed, and compares the rows with those of `infer` alone.

    python -m venv V && V/bin/pip install 'ray[data]' pyarrow pandas
    V/bin/python scripts/score_ray.py RUN [ROWS]

The time is that of a run without a kill, with Ray started; a second run kills a worker's process in the middle."""
import pathlib
import sys
import tempfile
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from score_engine import Worker, compare, kill_one, make, plain


class Scorer:
    """An actor with a worker of its own; a new one is started where the worker died."""

    def __init__(self, model):
        self.model, self.worker = model, Worker(model)

    def __call__(self, table):
        batch = table.combine_chunks().to_batches()[0]
        try:
            return pa.Table.from_batches([self.worker.score(batch)])
        except (OSError, pa.ArrowInvalid, StopIteration):
            self.worker = Worker(self.model)
            return pa.Table.from_batches([self.worker.score(batch)])


def score(model, source):
    data = ray.data.read_parquet(source).repartition(16)  # a small file is one block, and would go to one worker
    data = data.map_batches(Scorer, fn_constructor_args=(model,), batch_format="pyarrow", batch_size=256,
                            compute=ray.data.ActorPoolStrategy(size=2), num_cpus=1)
    begun = time.perf_counter()
    tables = [ray.get(reference) for reference in data.to_arrow_refs()]
    return pa.concat_tables(tables), time.perf_counter() - begun


def main():
    model = str(pathlib.Path(sys.argv[1]).resolve())
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/texts.parquet", f"{folder}/vectors.parquet"
        make(source, rows)
        alone = plain(model, source, target)
        wanted = pq.read_table(target).sort_by("id")
        found, seconds = score(model, source)
        compare("Ray", found, wanted, seconds, alone)
        threading.Thread(target=kill_one, args=(seconds / 2,), daemon=True).start()
        found, seconds = score(model, source)
        compare("Ray, a worker killed", found, wanted, seconds, alone)


if __name__ == "__main__":
    main()
