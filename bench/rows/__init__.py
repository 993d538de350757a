"""The rows of the table, one module each: what is run, what is taken from it, and the targets."""

from typing import Final

from bench.rows import bulk, idle, noop, steady, storm, sync, takeover
from bench.rows.row import Row

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        bulk.ROW,
        steady.ROW,
        sync.SMALL,
        sync.MIDDLE,
        sync.LARGE,
        noop.ROW,
        storm.ROW,
        idle.ROW,
        takeover.ROW,
    )
}
