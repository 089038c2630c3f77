"""Results on stdout as tables."""

import sys
from collections.abc import Sequence

import click
from gateway_contracts import SupportReport
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..accounts.support import lines_of, rows_of


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* below *head*."""
    table = Table(*head, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    # A program gets whole lines. No line ends with the blanks that fill up the last column.
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())


def show_support(report: SupportReport) -> None:
    """Print which operations a vendor supports, why not the others, and its limits."""
    show_table((report.vendor, "support", "without", "because"), list(rows_of(report.operations)))
    click.echo()
    show_table(("measured", ""), list(lines_of(report.limits)))
