"""The suite that every plugin passes, and the survey that the support table is made from. Needs pytest; only for tests.

Subclass `Suite` once, with two fixtures: `far`, the vendor's end (a `FarSide`), and `pbx`, the account under test, with
the attributes that interfaces are found under (`pbx.click_to_call`, …), as the gateway's facade has them.
"""

from .far_side import FarSide, Trouble
from .suite import Suite
from .survey import Support, support_table, survey

__all__ = ["FarSide", "Suite", "Support", "Trouble", "support_table", "survey"]
