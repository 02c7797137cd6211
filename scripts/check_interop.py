"""Reads with others' libraries what valuenet writes, and the other way; see check_interop.sh."""
import argparse
import datetime
import glob
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import duckdb
import numpy
import onnxruntime
import openapi_spec_validator
import pandas
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pyvalues
import tokenizers
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import AnnotationValue
from pyvalues.remote_classifier import OriginalValuesWithAttainmentRemoteClassifier

NAMES = ["SECURITY", "POWER", "ACHIEVEMENT", "HEDONISM", "STIMULATION", "SELF-DIRECTION", "UNIVERSALISM", "BENEVOLENCE",
         "CONFORMITY", "TRADITION"]
TEXTS = ["She shared her lunch, gladly.", None, "", "He said \"no\"\tand left.", "Two\nlines", "Ein Fuß — 日本語"]
FAULTS = []


def check(what, is_right):
    print(f"{'fine  ' if is_right else 'FAULTY'} {what}", flush=True)
    if not is_right:
        FAULTS.append(what)


def valuenet(*arguments, stdin=None, fails=False):
    done = subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"valuenet {' '.join(map(str, arguments))}: {done.returncode}\n{done.stderr.decode()}")
    return done.stderr.decode() if fails else done.stdout


def table():
    """A table as an engine may hold one."""
    rows = len(TEXTS)
    return pa.table({
        "id": pa.array(range(rows), pa.int64()),
        "text": pa.array(TEXTS, pa.large_string()),
        "author": pa.array(["ann", "bo", None, "ann", "bo", "ann"]).dictionary_encode(),
        "day": pa.array([datetime.date(2026, 11, 1 + row) for row in range(rows)]),
        "at": pa.array([datetime.datetime(2026, 11, 1, 12, row) for row in range(rows)], pa.timestamp("us")),
        "tags": pa.array([["a"], [], None, ["b", "c"], [], []]),
        "share": pa.array([0.5, None, 1.0, 2.0, 3.0, 4.0]),
    })


def same_vectors(frame, wanted):
    """Whether a pandas table has these vectors, to the last bit of an f32."""
    for (_, row), vector in zip(frame.iterrows(), wanted, strict=True):
        for place, name in enumerate(NAMES):
            number = row[name]
            is_missing = number is None or number != number
            if is_missing != (vector is None) or (vector and pa.scalar(number, pa.float32()) != pa.scalar(vector[place], pa.float32())):
                return False
    return True


def reference():
    """The vectors of the texts, by JSON Lines in and out."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    rows = [json.loads(line) for line in valuenet("infer", MODEL, "-", "--from", "jsonl", stdin=lines.encode()).splitlines()]
    return [row["utilities"] and [row["utilities"][name] for name in NAMES] for row in rows]


def arrow(wanted):
    sent = table()
    out = io.BytesIO()
    with pa.ipc.new_stream(out, sent.schema) as writer:
        for batch in sent.to_batches(max_chunksize=4):
            writer.write_batch(batch)
    answer = valuenet("infer", MODEL, "-", "--from", "arrow", "--to", "arrow", "--keep", "all", stdin=out.getvalue())
    batches = list(pa.ipc.open_stream(answer))
    check("pyarrow: a batch out for each batch in", [batch.num_rows for batch in batches] == [4, 2])
    got = pa.Table.from_batches(batches)
    others = [name for name in sent.column_names if name != "text"]
    kept = all(got[name].combine_chunks().equals(sent[name].combine_chunks()) and got[name].type == sent[name].type for name in others)
    check("pyarrow: other columns come back as they were, of seven types", kept)
    check("pyarrow: null in, null out", got["text"].null_count == 1)
    check("pyarrow: vectors of a stream", same_vectors(got.to_pandas(), wanted))


def parquet(folder, wanted):
    for codec in ["none", "snappy", "gzip", "lz4"]:
        source, target = folder / f"{codec}.parquet", folder / f"{codec}-out.parquet"
        pq.write_table(table(), source, compression=codec)
        valuenet("infer", MODEL, source, "--keep", "all", "-o", target)
        got = pandas.read_parquet(target)
        right = same_vectors(got, wanted) and got["id"].dtype == "int64" and list(got["day"]) == list(table()["day"].to_pylist())
        check(f"pandas: Parquet in and out, {codec}", right)
    for codec in ["zstd", "brotli"]:
        source = folder / f"{codec}.parquet"
        pq.write_table(table(), source, compression=codec)
        check(f"Parquet with {codec} is refused by name", f"{codec}.parquet" in valuenet("infer", MODEL, source, "-o", folder / "x", fails=True))
    frame = table().drop(["tags"]).to_pandas()
    for ending, write in [("csv", {"sep": ","}), ("tsv", {"sep": "\t"})]:
        source, target = folder / f"pandas.{ending}", folder / f"pandas-out.{ending}"
        frame.to_csv(source, index=False, **write)
        valuenet("infer", MODEL, source, "--keep", "id,author", "-o", target)
        got = pandas.read_csv(target, **write)
        check(f"pandas: {ending} in and out", same_vectors(got, wanted) and list(got["id"]) == list(frame["id"]))
    frame.to_json(folder / "pandas.jsonl", orient="records", lines=True, date_format="iso")
    valuenet("infer", MODEL, folder / "pandas.jsonl", "--keep", "id", "-o", folder / "pandas-out.jsonl")
    got = pandas.read_json(folder / "pandas-out.jsonl", lines=True, precise_float=True)
    vectors = [row and [row[name] for name in NAMES] for row in got["utilities"]]
    check("pandas: JSON Lines in and out", vectors == wanted and list(got["id"]) == list(frame["id"]))


def duck(folder, wanted):
    source = folder / "duck.parquet"
    duckdb.sql(f"copy (select range as id, 'text number ' || range as text from range(1000)) to '{source}' (format parquet, compression snappy)")
    valuenet("infer", MODEL, source, "--keep", "id", "--to", "parquet", "-o", f"{folder}/parts/", "--part-rows", 300)
    valuenet("infer", MODEL, source, "--keep", "id", "-o", folder / "duck.csv")
    valuenet("infer", MODEL, source, "--keep", "id", "-o", folder / "duck.jsonl")
    parts = duckdb.sql(f"select id, \"POWER\"::float as power from '{folder}/parts/part-*.parquet' order by id").fetchall()
    cells = duckdb.sql(f"select id, \"POWER\"::float as power from '{folder}/duck.csv' order by id").fetchall()
    lines = duckdb.sql(f"select id, utilities.\"POWER\"::float as power from '{folder}/duck.jsonl' order by id").fetchall()
    check("DuckDB: 1,000 rows from parts of Parquet, from CSV and from JSON Lines are the same", len(parts) == 1000 and parts == cells == lines)
    check("DuckDB: four parts, _SUCCESS", len(glob.glob(f"{folder}/parts/part-*")) == 4 and pathlib.Path(f"{folder}/parts/_SUCCESS").exists())


def schwartz(folder):
    frame = pandas.DataFrame({"doc": ["a", "a", "b"], "text": [TEXTS[0], TEXTS[3], TEXTS[5]]})
    frame.to_csv(folder / "documents.csv", index=False)
    valuenet("infer", MODEL, folder / "documents.csv", "--to", "pyvalues", "--keep", "doc", "-o", folder / "values.tsv")
    kind = pyvalues.OriginalValuesWithAttainment
    documents = list(kind.read_tsv(folder / "values.tsv", document_id_field="ID", language_field="Language", segment_field="Text"))
    check("pyvalues: documents, languages and segments", [(one.id, one.language, len(one.values)) for one in documents] == [("a", "en", 2), ("b", "en", 1)]
          and documents[0].segments == list(frame["text"][:2]))
    scores = [(value.attained, value.constrained) for one in documents for row in one.values for value in vars(row).values()]
    check("pyvalues: scores", len(scores) == 30 and all(0 <= a and 0 <= c and a + c <= 1 for a, c in scores) and any(a + c > 0 for a, c in scores))
    service = subprocess.Popen([BINARY, "serve", MODEL, "--port", "0"], stdout=subprocess.PIPE, text=True)
    address = service.stdout.readline().strip()
    try:
        client = OriginalValuesWithAttainmentRemoteClassifier(f"{address}/values")
        answer = list(client.classify_segments_for_original_values_with_attainment(list(frame["text"])))
        with urllib.request.urlopen(f"{address}/openapi.json") as description:
            openapi_spec_validator.validate(json.load(description))
        check("openapi-spec-validator: the service's description", True)
        check("pyvalues: the remote classifier answers what the file has", answer == [row for one in documents for row in one.values])
    finally:
        service.terminate()
        service.wait()


def onnx(folder, model):
    """The ONNX model's utilities beside `infer`'s, prompts of unlike length in one batch."""
    valuenet("export", model, "-o", folder, "--onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    own = json.loads((folder / "config.json").read_text())["valuenet"]
    tokenizer.enable_truncation(own["max_length"])
    tokenizer.enable_padding()
    texts = [text for text in TEXTS if text] + ["word " * 300]
    names = NAMES[:1] if own["prompt"] == "shared" else NAMES
    prompts = tokenizer.encode_batch([f"[{name}] {text}" for text in texts for name in names])
    ids = numpy.array([prompt.ids for prompt in prompts], dtype=numpy.int64)
    mask = numpy.array([prompt.attention_mask for prompt in prompts], dtype=numpy.int64)
    _, utilities = session.run(["logits", "utilities"], {"input_ids": ids, "attention_mask": mask})
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    rows = [json.loads(line) for line in valuenet("infer", model, "-", "--from", "jsonl", stdin=lines.encode()).splitlines()]
    wanted = numpy.array([row["utilities"][name] for row in rows for name in NAMES])
    off = float(abs(utilities.reshape(-1) - wanted).max())
    check(f"ONNX Runtime, prompts \"{own['prompt']}\": {len(wanted)} utilities in {len(prompts)} prompts, at most {off:.1e} off", off < 1e-5)


def studio(folder):
    """A survey as Label Studio's SDK sees it, and answers as its SDK writes them."""
    folder.mkdir()
    scenarios = pandas.DataFrame({"scenario": [f"She kept promise number {row}." for row in range(12)], "value": "BENEVOLENCE"})
    scenarios.to_csv(folder / "scenarios.csv", index=False)
    gold = pandas.DataFrame({"scenario": ["He fed the birds", "He broke a vase on purpose"], "value": "BENEVOLENCE", "answer": ["yes", "no"]})
    gold.to_csv(folder / "gold.csv", index=False)
    valuenet("data", "survey", folder / "scenarios.csv", "--gold", folder / "gold.csv", "-o", folder / "survey", "-q")
    interface = LabelInterface((folder / "survey" / "label-studio.xml").read_text())
    interface.validate()
    tasks = json.loads((folder / "survey" / "label-studio.json").read_text())
    check("Label Studio's SDK: the configuration and every task", all(interface.validate_task(task) for task in tasks))
    control, right = interface.get_control("answer"), dict(zip(gold["scenario"], gold["answer"]))
    answers = {task["data"]["scenario"]: right.get(task["data"]["scenario"], control.labels[place % 3]) for place, task in enumerate(tasks)}
    export = []
    for number, task in enumerate(tasks, 1):
        label = answers[task["data"]["scenario"]]
        annotations = [AnnotationValue(completed_by=worker, result=[control.label(label)]).model_dump() for worker in range(1, 5)]
        valid = all(interface.validate_annotation(annotation) for annotation in annotations)
        export.append(task | {"id": number, "annotations": annotations if valid else []})
    (folder / "export.json").write_text(json.dumps(export))
    valuenet("data", "aggregate", folder / "export.json", "--qualification", folder / "survey" / "gold.csv", "-o", folder / "labels.csv", "-q")
    labels = pandas.read_csv(folder / "labels.csv")
    found = {row.scenario.removeprefix("[BENEVOLENCE] "): row.label for row in labels.itertuples()}
    meant = {"yes": 1, "no": -1, "unrelated": 0}
    check("Label Studio's SDK: what four workers answered", found == {text: meant[label] for text, label in answers.items() if text not in right})


def judged(evaluator, truth, run):
    """A run by an evaluator as it is published; what it says of the run as a whole."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, evaluator, "--inputDataset", truth, "--inputRun", run, "--outputDataset", out]
        done = subprocess.run(command, capture_output=True, text=True)
        found = pathlib.Path(out) / "evaluation.prototext"
        text = found.read_text() if found.exists() else ""
        check(f"Touché: {evaluator.parts[-4]} judges the run", done.returncode == 0 and "F1" in text)
        print(text[:120].replace("\n", " ") if text else done.stdout[-300:] + done.stderr[-300:])


def touche(folder, code):
    """Truth and runs of both tasks, made up, for the evaluators of both."""
    code = pathlib.Path(code)
    truth, run = folder / "truth24", folder / "run24"
    truth.mkdir()
    run.mkdir()
    header = b"Text-ID\tSentence-ID\tText\n"
    names = valuenet("infer", MODEL, "-", "--to", "touche24", "--from", "tsv", stdin=header).decode().strip().split("\t")[2:]
    sentences = pandas.DataFrame({"Text-ID": "T1", "Sentence-ID": range(1, 41), "Text": [f"{TEXTS[0]} {row}" for row in range(40)]})
    sentences.to_csv(truth / "sentences.tsv", sep="\t", index=False)
    labels = sentences[["Text-ID", "Sentence-ID"]].copy()
    for place, name in enumerate(names):
        labels[name] = [float((row + place) % 5 == 0) for row in range(40)]
    labels.to_csv(truth / "labels.tsv", sep="\t", index=False)
    valuenet("infer", MODEL, truth / "sentences.tsv", "--to", "touche24", "-o", run / "run.tsv")
    check("Touché 2024: eval reads the folder", b"accuracy" in valuenet("eval", MODEL, "--data", truth, "--format", "json"))
    judged(code / "clef24" / "human-value-detection" / "evaluator" / "evaluator.py", truth, run)

    truth, run = folder / "truth23", folder / "run23"
    truth.mkdir()
    run.mkdir()
    premises = pandas.DataFrame({"Argument ID": [f"A{row}" for row in range(40)], "Conclusion": "We should share", "Stance": "in favor of",
                                 "Premise": [f"{TEXTS[3]} {row}" for row in range(40)]})
    premises.to_csv(truth / "arguments-test.tsv", sep="\t", index=False)
    valuenet("infer", MODEL, truth / "arguments-test.tsv", "--to", "touche23", "-o", run / "run.tsv")
    labels = premises[["Argument ID"]].copy()
    for place, name in enumerate((run / "run.tsv").read_text().split("\n")[0].split("\t")[1:]):
        labels[name] = [int((row + place) % 5 == 0) for row in range(40)]
    labels.to_csv(truth / "labels-test.tsv", sep="\t", index=False)
    check("Touché 2023: eval reads the folder", b"accuracy" in valuenet("eval", MODEL, "--data", truth, "--format", "json"))
    judged(code / "semeval23" / "human-value-detection" / "evaluator" / "evaluator.py", truth, run)


def main():
    global BINARY, MODEL
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--shared", help="a model whose values share a text")
    parser.add_argument("--touche")
    args = parser.parse_args()
    BINARY, MODEL = args.binary, args.model
    with tempfile.TemporaryDirectory() as name:
        folder, wanted = pathlib.Path(name), reference()
        arrow(wanted)
        parquet(folder, wanted)
        duck(folder, wanted)
        schwartz(folder)
        studio(folder / "studio")
        onnx(folder / "onnx", MODEL)
        if args.shared:
            onnx(folder / "onnx-shared", args.shared)
        if args.touche:
            touche(folder, args.touche)
    sys.exit(f"{len(FAULTS)} faulty" if FAULTS else 0)


if __name__ == "__main__":
    main()
