import json
from pathlib import Path

import pytest

from kaito.runtime.config import Flags, ServeOptions
from kaito.runtime.serve import make_plan
from kaito.runtime.serve.adapters import served_base


@pytest.mark.parametrize(
    ("flags", "certain"),
    [
        ((), True),
        (("--model-impl=auto",), True),
        (("--model-impl", "vllm"), True),
        (("--model-impl=transformers",), False),
        (('--hf-overrides={"architectures": ["Other"]}',), False),
        (("--hf_overrides.architectures", "Other"), False),
        (("--hf-config-path=/other",), False),
    ],
)
def test_the_architecture_is_certain_unless_a_flag_may_choose_another(
    tmp_path: Path, flags: tuple[str, ...], certain: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["Phi3ForCausalLM"]}))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    options = ServeOptions(model=str(tmp_path), vllm=Flags.parse(("--served-model-name=phi", *flags)))
    base = served_base(options, make_plan(options))
    assert base.names[0] == "phi"
    assert base.architecture == ("Phi3ForCausalLM" if certain else "")
