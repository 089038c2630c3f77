"""A secret is stars wherever it can be seen by accident."""

import copy
import logging
import pickle

import attrs
import pytest
import structlog
from gateway_contracts import ConfigError, InvalidValue, Secret, from_json

from gateway import Gateway

TEXT = "hunter2-s3cr3t"


@attrs.frozen(kw_only=True)
class Settings:
    api_key: Secret
    port: int = 1


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        "{}".format,
        "{:>40}".format,
        "{!r}".format,
        "{!s}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:^30}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 # the old way is one way to print
        lambda secret: repr({"key": [secret]}),
        lambda secret: repr(Settings(api_key=secret)),
        lambda secret: str(ValueError(secret)),
        lambda secret: repr(attrs.asdict(Settings(api_key=secret))),
    ],
)
def test_a_secret_shows_stars(show):
    """However it is printed."""
    shown = show(Secret(TEXT))

    assert TEXT not in shown
    assert "********" in shown


def test_stars_do_not_tell_how_long_a_secret_is():
    """Long and short look the same."""
    assert repr(Secret("x")) == repr(Secret("x" * 100))


def test_a_secret_shows_stars_in_logs(caplog):
    """Through the standard library and through structlog."""
    secret = Secret(TEXT)
    caplog.set_level(logging.INFO)

    logging.getLogger("test").info("key %s %r", secret, secret)
    renderer = structlog.processors.LogfmtRenderer()
    rendered = renderer(None, "info", {"event": "key", "secret": secret})

    assert TEXT not in caplog.text
    assert TEXT not in rendered


def test_a_secret_is_not_in_the_configuration_that_is_printed():
    """A whole configuration can be shown, with plain settings too: the gateway cannot know which are secret."""
    gateway = Gateway.from_config({"accounts": {"a": {"vendor": "memory", "hook_key": TEXT, "settings": {}}}})

    assert TEXT not in repr(gateway.config)
    assert TEXT == gateway.config.accounts["a"].hook_key.reveal()


@pytest.mark.parametrize("settings", [{"api_key": TEXT, "port": "x"}, {"api_key": [TEXT]}, {"api_key": {"envy": TEXT}}])
def test_a_secret_is_not_in_the_error_about_what_holds_it(settings):
    """A wrong setting beside a secret, or a secret written the wrong way, does not show it."""
    with pytest.raises(InvalidValue) as caught:
        from_json(settings, Settings)

    assert TEXT not in str(caught.value)


def test_a_secret_of_the_wrong_form_is_not_in_the_configurations_error():
    """`gateway check` can be pasted into a ticket."""
    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {"a": {"vendor": "memory", "hook_key": {"envv": TEXT}}}})

    assert TEXT not in str(caught.value)
    assert "accounts.a.hook_key" == caught.value.path


def test_secrets_compare_by_their_text():
    """Equal text is equal, in sets too; a secret is no text."""
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert Secret("mật khẩu") == Secret("mật khẩu")
    assert {Secret(TEXT)} == {Secret(TEXT), Secret(TEXT)}


def test_an_empty_secret_is_false():
    """So that "is there a password" can be asked without revealing it."""
    assert not Secret("")
    assert Secret(TEXT)


@pytest.mark.parametrize("keep", [pickle.dumps, copy.deepcopy, copy.copy])
def test_a_secret_is_not_pickled(keep):
    """A pickle would hold it in plain text."""
    with pytest.raises(TypeError, match="not pickled"):
        keep(Secret(TEXT))


def test_a_secret_cannot_be_listed():
    """It has no attributes that a debugger or `vars` would show."""
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


def test_reveal_gives_the_text():
    """Where it is used."""
    assert TEXT == Secret(TEXT).reveal()
