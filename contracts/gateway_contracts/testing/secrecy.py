"""What nobody may see: the account's secrets, the vendor's tokens, and the keys and passwords that are given."""

import logging
import traceback
from typing import Any

import pytest

from .. import GatewayError, Secret, dumps
from .accounts import AccountTests, able
from .far_side import FarSide, Trouble

_GIVEN = {"api_key": "the-key-of-a-hook", "password": "123Abc!@#"}
_TROUBLES = (None, Trouble.STATUS_401, Trouble.NOT_DONE, Trouble.HALF_BODY, Trouble.WRONG_TYPES)


class SecrecyTests(AccountTests):
    """Every operation, with and without trouble."""

    async def test_no_secret_is_seen(
        self, pbx: Any, far: FarSide, caplog: pytest.LogCaptureFixture, impatient: None
    ) -> None:
        """Not in any log, whoever writes it, nor in the text, the problem or the traceback of an error, nor in a
        repr.
        """
        caplog.set_level(logging.DEBUG)
        seen = [repr(pbx), repr(getattr(pbx, "adapter", None))]
        for each in await able(pbx, far):
            names = {parameter.name for parameter in each.operation.parameters}
            given = {name: Secret(text) for name, text in _GIVEN.items() if name in names}
            for trouble in _TROUBLES if far.network else _TROUBLES[:1]:
                await far.reset()
                arguments = {**await each.needs(far), **given}
                if trouble:
                    far.make_trouble(each.operation.name, trouble, lasts=True)
                try:
                    answer = await each.method(**arguments)
                except GatewayError as error:
                    seen += [repr(error), str(error), *traceback.format_exception(error)]
                    seen.append(dumps(error.as_problem()).decode())
                else:
                    seen += [repr(answer), str(answer)]
                    if each.operation.binary:
                        await answer.aclose()
        seen.append(caplog.text)
        secrets = {*far.secrets(), *_GIVEN.values()}

        assert [] == [line for text in seen for line in text.splitlines() if any(secret in line for secret in secrets)]
