"""The webhook's flags."""

from datetime import timedelta

import pytest

from kaito.controllers.options import parse_options
from kaito.controllers.webhook import LIFETIME_VARIABLE, WebhookOptions


def test_without_the_flag_no_webhook_is_served():
    assert parse_options([]).webhook is None


def test_the_flags_of_a_cluster_are_understood():
    words = "--webhook --webhook-service kaito-webhook --webhook-namespace here --webhook-certificate-lifetime 12h"
    assert parse_options(words.split()).webhook == WebhookOptions(9443, "kaito-webhook", "here", timedelta(hours=12))


def test_the_lifetime_comes_from_the_environment_where_no_flag_gives_it(monkeypatch):
    monkeypatch.setenv(LIFETIME_VARIABLE, "2m")
    assert parse_options(["--webhook"]).webhook.lifetime == timedelta(minutes=2)
    assert parse_options(["--webhook", "--webhook-certificate-lifetime", "1d"]).webhook.lifetime == timedelta(days=1)


@pytest.mark.parametrize("text", ["", "90", "d", "29s", "0d", "-1d", "1.5h", "1y"])
def test_a_lifetime_that_is_none_or_too_short_to_rotate_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parse_options(["--webhook", f"--webhook-certificate-lifetime={text}"])
    assert "--webhook-certificate-lifetime" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "https"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        parse_options(["--webhook", "--webhook-port", port])
    assert "no TCP port" in capsys.readouterr().err
