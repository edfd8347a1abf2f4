"""A hub on this machine that serves one checkpoint under several names and fails on purpose; and a program that asks it
for models.
"""

import hashlib
import json
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c" * 40
STALL = 30  # seconds


@contextmanager
def failing_hub(folder: Path):
    """Serve the files of a folder as the model of any name `FAULT/…`, until the block ends.

    `FAULT` is `good`; `broken`, which is answered 500; `cut` and `slow`, of whose weights the first half is sent, after
    which the connection ends, or nothing comes any more; `wrong`, of whose weights a bit is flipped; or `missing`,
    whose weights are listed and not there. Text of the hub's data sets is answered 500.

    Yields:
        the server: `address`, `tokens` (those that it was sent), and `healed`, which ends all faults once it is set.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.address = f"http://127.0.0.1:{server.server_port}"
    server.tokens, server.healed = set(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.healed.set()
        server.shutdown()
        server.server_close()


class _Hub(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)

    def _answer(self, body: bool) -> None:
        self.server.tokens.add(self.headers.get("Authorization", "").removeprefix("Bearer "))
        parts = self.path.partition("?")[0].strip("/").split("/")
        kind = parts[2] if parts[:2] == ["api", "models"] else parts[0]
        fault = "good" if self.server.healed.is_set() else kind
        if fault in ("api", "broken", "datasets"):
            self._send(500, b"our servers are on fire", body)
        elif parts[0] == "api" and "tree" in parts:
            self._send(200, json.dumps([self._entry(name) for name in self.server.files]).encode(), body)
        elif parts[0] == "api":
            named = "/".join(parts[2:4])
            listed = [{"rfilename": name} for name in self.server.files]
            self._send(
                200, json.dumps({"id": named, "modelId": named, "sha": COMMIT, "siblings": listed}).encode(), body
            )
        else:
            self._file(parts[-1], fault, body)

    def _entry(self, name: str) -> dict:
        content = self.server.files[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": _git_sha1(content)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry

    def _file(self, name: str, fault: str, body: bool) -> None:
        content = self.server.files[name]
        large = name.endswith(".safetensors")
        checksum = hashlib.sha256(content).hexdigest() if large else _git_sha1(content)
        headers = {"ETag": f'"{checksum}"', "X-Repo-Commit": COMMIT}
        fault = fault if large else "good"
        if fault == "missing":
            self._send(404, b"no such file", body, {"X-Error-Code": "EntryNotFound"})
        elif fault == "wrong":
            self._send(200, content[:-1] + bytes([content[-1] ^ 1]), body, headers)
        elif fault in ("cut", "slow"):
            self._send(200, content, body, headers, len(content) // 2)
            if fault == "slow" and body:
                self.wfile.flush()
                self.server.healed.wait(STALL)
            self.close_connection = True
        else:
            self._send(200, content, body, headers)

    def _send(self, status: int, content: bytes, body: bool, headers: dict | None = None, only: int | None = None):
        self.send_response(status)
        for key, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[:only])


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def ask(names: list[str]) -> None:
    """Load models of these names, each in a process of its own, or texts of the hub for a name without a slash, or
    compute a study of the model after `study of `; print what came of it, a line of JSON each.
    """
    from children import in_a_child

    from calibprune import load
    from calibprune.corpora import corpus

    def one(name: str) -> None:
        time.sleep = lambda _seconds: None  # before the hub's client tries again
        if name.startswith("study of "):
            print(len(study(name.removeprefix("study of "))))
        elif "/" in name:
            print(type(load(name, "cpu", "float32")[0]).__name__)
        else:
            print(corpus(name, "de", "validation")[:1])

    for name in names:
        begun = time.monotonic()
        ended = in_a_child(one, name)
        print(json.dumps({"name": name, "status": ended.status, "said": ended.said, "s": time.monotonic() - begun}))


def study(model: str):
    """Two cells of a model, in a store beside the user cache."""
    from calibprune.files import cache_dir
    from calibprune.study.study import Study

    sizes = {"calibration_samples": 2, "calibration_length": 16, "evaluation_samples": 2, "evaluation_length": 16}
    names = {"models": [model], "methods": ["wanda"], "languages": ["de"], "metrics": ["perplexity"]}
    store = str(cache_dir().with_name("results"))
    return Study(**names, **sizes, dtype="float32", device="cpu", store=store, shelves=[]).run(progress=False)


if __name__ == "__main__":
    ask(sys.argv[1:])
