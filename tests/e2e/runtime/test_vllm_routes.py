"""What vLLM serves against what the gate knows of it. These tests need vLLM, and no engine."""

from types import SimpleNamespace

import pytest

from kaito.runtime.front import paths

TASKS = ("generate", "transcription", "realtime", "embed", "classify")

WITHOUT_THE_ENGINE = frozenset(
    {
        "/detokenize",
        "/inference/v1/abort_requests",
        "/ping",
        "/v1/chat/completions/derender",
        "/v1/chat/completions/render",
        "/v1/completions/derender",
        "/v1/completions/render",
        "/v1/messages/count_tokens",
        "/v1/messages/render",
        "/v1/responses/render",
        "/v1/responses/{response_id}/cancel",
    }
)


@pytest.fixture(scope="module")
def posted() -> frozenset[str]:
    """The paths that vLLM takes a POST on, with every task and its endpoints for scaling out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_TARGET_DEVICE", "cpu")
        from kaito.runtime.config import EffectiveConfig, Flags, parse_config_file
        from kaito.runtime.engine.arguments import vllm_arguments
        from kaito.runtime.engine.vllm_compat import build_app

        config = EffectiveConfig(Flags.parse(["--enable-scale-out"]), {}, (), ())
        model = SimpleNamespace(get_pooling_task=lambda tasks: "embed")
        application = build_app(vllm_arguments(config, parse_config_file("")), TASKS, model)
    return frozenset(route.path for route in application.routes if "POST" in (getattr(route, "methods", None) or ()))


def test_every_path_that_makes_the_engine_compute_is_under_the_limits(posted: frozenset[str]) -> None:
    assert {path for path in posted - paths.GENERATING if not paths.closed(path)} == WITHOUT_THE_ENGINE


def test_what_is_under_the_limits_is_served(posted: frozenset[str]) -> None:
    optional = "/cohere/v2/chat"  # with VLLM_ENABLE_COHERE_API and Cohere's own package
    assert paths.GENERATING - posted - {optional} == {"/chat"}
