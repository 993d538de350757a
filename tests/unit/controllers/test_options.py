"""The command line of kaito-controller."""

import pytest

from kaito.controllers.options import parse_options


def test_the_command_line_of_the_supervisor_is_understood():
    line = "--kubeconfig F --metrics-address 127.0.0.1:8080 --weights stand-in --weights-cache-dir /w"
    options = parse_options(f"{line} --runtime-image r:1 --node-provisioner machine --log-level info".split())
    assert (options.kubeconfig, options.metrics_address) == ("F", "127.0.0.1:8080")
    assert (options.settings.weights, options.settings.weights_cache_dir) == ("stand-in", "/w")
    assert options.settings.runtime_image == "r:1"


@pytest.mark.parametrize(
    "words", [["--weights", "models"], ["--weights-cache-dir", "w"], ["--workers", "0"], ["--node-provisioner", "x"]]
)
def test_a_wrong_value_is_refused_with_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_help_begins_with_a_real_example(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options(["--help"])
    assert caught.value.code == 0
    assert "kaito-controller --kubeconfig ~/.kube/config --weights hub" in capsys.readouterr().out
