"""Keeps a service under load with good and bad clients at once, and holds every good answer against `infer`'s.

    cargo build --release
    python3 scripts/soak.py RUN [--minutes 10] [--clients 64]

Of a hundred requests some eighty are good: one to eight texts of 1 to 10,000 words. The others break off in the middle of a body, reset the
connection while they are answered, read a byte at a time, or send what is no JSON or no request. Nothing but Python's own library is needed.
"""
import argparse
import collections
import json
import pathlib
import random
import signal
import socket
import struct
import subprocess
import threading
import time

BINARY = str(pathlib.Path(__file__).resolve().parent.parent / "target" / "release" / "valuenet")
WORDS = "she he they helped hurt a the friend stranger mayor law feast prize fear joy with for against without her his all".split()


def texts(count):
    chance = random.Random(1)
    sizes = [1, 5, 20, 100, 1000, 10000]
    return [" ".join(chance.choice(WORDS) for _ in range(chance.choice(sizes))) + f" {number}" for number in range(count)]


def expected(run, pool):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in pool)
    done = subprocess.run([BINARY, "-q", "infer", run, "-", "--from", "jsonl"], input=lines.encode(), capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def request(path, body):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def answer(connection, size=1 << 16, pause=0.0):
    parts = []
    while part := connection.recv(size):
        parts.append(part)
        if pause:
            time.sleep(pause)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


class Client(threading.Thread):
    def __init__(self, number, port, pool, lines, until, counts, faults):
        super().__init__(daemon=True)
        self.chance, self.port, self.pool, self.lines = random.Random(number), port, pool, lines
        self.until, self.counts, self.faults = until, counts, faults

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def run(self):
        kinds = [self.good] * 80 + [self.slow] * 3 + [self.breaks_off] * 5 + [self.resets] * 5 + [self.no_json] * 4 + [self.no_request] * 3
        while time.time() < self.until:
            kind = self.chance.choice(kinds)
            try:
                kind()
                self.counts[kind.__name__] += 1
            except Exception as error:  # noqa: BLE001: whatever goes wrong is a finding
                self.faults.append(f"{kind.__name__}: {type(error).__name__} {error}")

    def ask(self):
        places = [self.chance.randrange(len(self.pool)) for _ in range(self.chance.randint(1, 8))]
        body = json.dumps({"texts": [self.pool[place] for place in places]}).encode()
        wanted = '{"results":[' + ",".join(self.lines[place] for place in places) + "]}\n"
        return request("/score", body), wanted

    def good(self):
        sent, wanted = self.ask()
        with self.connect() as connection:
            connection.sendall(sent)
            status, body = answer(connection)
        if status != 200 or body.decode() != wanted:
            raise ValueError(f"{status} {body[:80]!r}")

    def slow(self):
        text = self.chance.choice(self.pool[:20])
        with self.connect() as connection:
            connection.sendall(request("/score", json.dumps({"text": text}).encode()))
            status, _ = answer(connection, 64, 0.02)
        if status not in (200, 0):
            raise ValueError(status)

    def breaks_off(self):
        sent, _ = self.ask()
        with self.connect() as connection:
            connection.sendall(sent[:self.chance.randrange(1, len(sent))])

    def resets(self):
        sent, _ = self.ask()
        with self.connect() as connection:
            connection.sendall(sent)
            time.sleep(self.chance.random() * 0.05)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def no_json(self):
        with self.connect() as connection:
            connection.sendall(request("/score", self.chance.choice([b"{", b"\xff\xfe", b"[]", b'{"texts": 7}', b'{"text": "a", "x": 1}'])))
            status, _ = answer(connection)
        if status not in (400, 422):
            raise ValueError(status)

    def no_request(self):
        with self.connect() as connection:
            connection.sendall(self.chance.choice([b"\0" * 40, b"GET / HTTP/9.9\r\n\r\n", b"POST /score HTTP/1.1\r\nContent-Length: x\r\n\r\n"]))
            connection.shutdown(socket.SHUT_WR)
            answer(connection)


def memory(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64)
    args = parser.parse_args()
    pool = texts(300)
    lines = expected(args.run, pool)
    command = [BINARY, "serve", args.run, "--port", "0", "--max-body", str(16 << 20), "--timeout", "120s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = int(process.stdout.readline().strip().rsplit(":", 1)[1])
    counts, faults, course = collections.Counter(), [], []
    begun = time.time()
    until = begun + 60 * args.minutes
    clients = [Client(number, port, pool, lines, until, counts, faults) for number in range(args.clients)]
    for client in clients:
        client.start()
    while time.time() < until:
        time.sleep(min(10, max(0.1, until - time.time())))
        course.append(memory(process))
    for client in clients:
        client.join(120)
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    fifth = max(1, len(course) // 5)
    print(f"{(time.time() - begun) / 60:.1f} minutes, {args.clients} clients: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    print(f"memory, MiB: {max(course[:fifth]):.0f} at most in the first fifth, {max(course[-fifth:]):.0f} in the last; ended with {code}")
    print(f"faults: {len(faults)}")
    for fault in faults[:20]:
        print(f"  {fault}")
    raise SystemExit(bool(faults) or code != 0)


if __name__ == "__main__":
    main()
