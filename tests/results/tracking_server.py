"""As much of an MLflow server as a client asks for when it tracks runs, on a port of this machine."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class TrackingServer(ThreadingHTTPServer):
    """Keeps the runs that it is told of.

    Attributes:
        runs: by id, as MLflow's REST interface has them.
    """

    daemon_threads = True

    def __init__(self, artifacts: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.artifacts, self.runs = artifacts, dict[str, dict[str, Any]]()

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        if what == "experiments/get-by-name":
            return {"experiment": {"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}}
        if what == "runs/create":
            run_id = f"{len(self.runs):032x}"
            tags = asked.get("tags", [])
            name = next(tag["value"] for tag in tags if tag["key"] == "mlflow.runName")
            place = (self.artifacts / run_id).as_uri()
            info = {"run_id": run_id, "run_uuid": run_id, "run_name": name, "experiment_id": "1"}
            info |= {"artifact_uri": place, "status": "RUNNING", "lifecycle_stage": "active"}
            self.runs[run_id] = {"info": info, "data": {"tags": tags}}
        if what in {"runs/create", "runs/get"}:
            return {"run": self.runs[asked.get("run_id") or next(reversed(self.runs))]}
        if what == "runs/update":
            self.runs[asked["run_id"]]["info"]["status"] = asked["status"]
            return {"run_info": self.runs[asked["run_id"]]["info"]}
        return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        """Take in what is told."""
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        """Print nothing."""

    def _answer(self, asked: dict[str, Any]) -> None:
        assert isinstance(self.server, TrackingServer)
        body = json.dumps(self.server.answer(urlsplit(self.path).path.partition("/mlflow/")[2], asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def tracking_server(artifacts: Path) -> Iterator[TrackingServer]:
    """Yield a server that listens."""
    with TrackingServer(artifacts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
