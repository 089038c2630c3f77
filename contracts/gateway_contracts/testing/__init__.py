"""The suite that every plugin passes, and the survey that a support report is made from. Needs pytest; only for tests.

Subclass `Suite` once, with three fixtures: `far`, the vendor's end (a `FarSide`); `pbx`, the account under test, with
the attributes that interfaces are found under (`pbx.click_to_call`, …), as the gateway's facade has them; and
`connect`, which opens an account in this process: `async with connect(settings={…}, timeouts={…}) as pbx`, with what is
given in place of what `far.settings` and the defaults say.
"""

import pkgutil

import pytest

# A test that fails shows what it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from .far_side import FarSide, NoNetwork, Oddity, Paging, Queue, Trouble, Webhook  # noqa: E402 # what is imported before is not rewritten
from .suite import Suite  # noqa: E402
from .survey import survey  # noqa: E402

__all__ = ["FarSide", "NoNetwork", "Oddity", "Paging", "Queue", "Suite", "Trouble", "Webhook", "survey"]
