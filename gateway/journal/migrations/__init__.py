"""The journal's schema through time: one file here for each change, run when a journal is opened."""

from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from gateway_contracts import ConfigError
from sqlalchemy import Connection

from ...logs import log

VERSION_TABLE = (
    "journal_version"  # not alembic's own name: the database may be shared with an application that uses alembic
)
_FOLDER = Path(__file__).parent


def migrate(connection: Connection) -> None:
    """Bring the database of *connection*, which is in a transaction that excludes other writers, to this schema.

    A file here has `revision`, `down_revision` and `upgrade(op)`; *op* is passed, since alembic's own is global.

    Raises: ConfigError when a newer version of the gateway has written it.
    """
    script = ScriptDirectory(_FOLDER, version_locations=[_FOLDER])

    def steps(heads: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs("head", heads)  # what alembic's own upgrade command calls

    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "fn": steps})
    before = context.get_current_heads()
    unknown = set(before) - {each.revision for each in script.walk_revisions()}
    if unknown:
        raise ConfigError(
            "journal.url",
            f"the journal has schema {', '.join(sorted(unknown))}, which this version of the gateway does not know: "
            "update the gateway, or name another database",
        )
    context.run_migrations(op=Operations(context))
    if before and before != context.get_current_heads():
        log.warning("journal.migrated", before=before[0], now=context.get_current_heads()[0])
