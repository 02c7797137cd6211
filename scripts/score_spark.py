"""Scores a table with Spark on two workers, one of which is killed, and compares the rows with those of `infer` alone.

    python -m venv V && V/bin/pip install pyspark pyarrow pandas    # and Java 17: apt-get install default-jre-headless
    V/bin/python scripts/score_spark.py RUN [ROWS]

The time is that of a run without a kill, with Spark started; a second run kills a worker's process in the middle, and Spark does its task
again (local[2,4]: two threads, four tries a task)."""
import os
import pathlib
import sys
import tempfile
import threading
import time

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from score_engine import Worker, compare, kill_one, make, plain

FLOATS = ["SECURITY", "POWER", "ACHIEVEMENT", "HEDONISM", "STIMULATION", "SELF-DIRECTION", "UNIVERSALISM", "BENEVOLENCE", "CONFORMITY",
          "TRADITION"]
SCHEMA = "id long, text string, " + ", ".join(f"`{name}` float" for name in FLOATS)


def scorer(model):
    def score(batches):
        worker = Worker(model)
        for batch in batches:
            yield worker.score(batch)
        worker.close()
    return score


def score(spark, model, source, target):
    begun = time.perf_counter()
    data = spark.read.parquet(source).mapInArrow(scorer(model), SCHEMA)
    data.write.mode("overwrite").parquet(target)
    seconds = time.perf_counter() - begun
    return pq.read_table(target), seconds


def main():
    model = str(pathlib.Path(sys.argv[1]).resolve())
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = str(pathlib.Path(__file__).resolve().parent)
    spark = (SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
             .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2048").config("spark.log.level", "ERROR").getOrCreate())
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/texts.parquet", f"{folder}/vectors.parquet"
        make(source, rows)
        spark.conf.set("spark.sql.files.maxPartitionBytes", os.path.getsize(source) // 8)
        alone = plain(model, source, target)
        wanted = pq.read_table(target).sort_by("id")
        found, seconds = score(spark, model, source, f"{folder}/spark")
        compare("Spark", found, wanted, seconds, alone)
        threading.Thread(target=kill_one, args=(seconds / 2,), daemon=True).start()
        found, seconds = score(spark, model, source, f"{folder}/spark")
        compare("Spark, a worker killed", found, wanted, seconds, alone)
    spark.stop()


if __name__ == "__main__":
    main()
