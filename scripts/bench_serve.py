#!/usr/bin/env python3
"""Load on `valuenet serve`: many clients at once against one at a time, every answer held against `valuenet infer`.

    valuenet infer RUN texts.txt -o vectors.jsonl
    valuenet serve RUN --port 8080 &
    scripts/bench_serve.py 127.0.0.1:8080 vectors.jsonl --clients 64 --seconds 30

Python's standard library only. It ends with 1 if an answer differs or a request fails.
"""

import argparse
import http.client
import json
import sys
import threading
import time


def client(address, lines, first, step, end, latencies, faults):
    """Asks for one text after the other until `end`, over one connection."""
    connection = http.client.HTTPConnection(address, timeout=60)
    at = first
    while time.monotonic() < end:
        line = lines[at % len(lines)]
        at += step
        body = json.dumps({"text": json.loads(line)["text"]})
        begun = time.monotonic()
        try:
            connection.request("POST", "/score", body)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"failed: {error!r}")
            connection.close()
            continue
        latencies.append(time.monotonic() - begun)
        if response.status != 200:
            faults.append(f"status {response.status}: {answer!r}")
        elif answer != line + b"\n":
            faults.append(f"differs: {answer!r} is not {line!r}")
    connection.close()


def load(address, lines, clients, seconds):
    """Keeps so many clients busy; prints what came of it and returns the faults."""
    latencies, faults = [], []
    begun = time.monotonic()
    threads = [
        threading.Thread(
            target=client, args=(address, lines, number, clients, begun + seconds, latencies, faults)
        )
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    latencies.sort()
    at = lambda share: 1000 * latencies[int(share * (len(latencies) - 1))]
    print(
        f"{clients:3} clients  {len(latencies):6} texts  {len(latencies) / took:7.1f} texts/s  "
        f"p50 {at(0.5):7.1f} ms  p99 {at(0.99):7.1f} ms  {len(faults)} faults"
    )
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="where the service listens, as 127.0.0.1:8080")
    parser.add_argument("vectors", help="what `valuenet infer` wrote for the texts, as JSON lines")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with open(arguments.vectors, "rb") as file:
        lines = file.read().splitlines()
    faults = load(arguments.address, lines, 1, arguments.seconds)
    faults += load(arguments.address, lines, arguments.clients, arguments.seconds)
    for fault in faults[:5]:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
