"""What each probe answers at each stage; the same before and after vLLM's server has taken the port over."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kaito.contracts import RuntimeStatus

LIVE_PATHS = frozenset({"/healthz", "/livez", "/health"})
READY_PATH = "/readyz"
METRICS_PATH = "/metrics"
RETRY_SECONDS = 5
"""`Retry-After` of answers that are refused because the server is not ready or about to end."""

NOT_COUNTED = frozenset({*LIVE_PATHS, READY_PATH, METRICS_PATH})
"""Paths that need no key, are not logged, and do not keep a draining server alive."""

RETRY_HEADERS: Mapping[str, str] = MappingProxyType({"Retry-After": str(RETRY_SECONDS)})


def live(status: RuntimeStatus) -> tuple[int, dict[str, Any]]:
    """Answer a liveness probe: alive unless the server has failed. A draining one is alive, or it would be killed."""
    code = 500 if status["stage"] == "failed" else 200
    return code, {"status": "Healthy" if code == 200 else "Failed", **_progress(status)}


def ready(status: RuntimeStatus) -> tuple[int, dict[str, Any]]:
    """Answer a readiness probe: 200 in the stage `ready` alone."""
    return (200 if status["stage"] == "ready" else 503), _progress(status)


def refusal(status: RuntimeStatus) -> dict[str, Any]:
    """Return the body for a request that comes too early or too late (503)."""
    if status["stage"] == "draining":
        detail = "The server is shutting down and takes no new requests."
    elif status["failure"]:
        detail = f"The server has failed: {status['failure']['message']} {status['failure']['remedy']}"
    else:
        detail = f"The model is not ready yet ({status['stage']})."
    error = {"message": detail, "type": "service_unavailable", "param": None, "code": 503}
    return {"detail": detail, "stage": status["stage"], "error": error}


def _progress(status: RuntimeStatus) -> dict[str, Any]:
    body: dict[str, Any] = {"stage": status["stage"], "model": status["model"], "weights": status["weights"]["kind"]}
    if status["message"]:
        body["message"] = status["message"]
    if status["failure"]:
        body["failure"] = status["failure"]
    return body
