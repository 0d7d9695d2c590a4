"""The status on one screen: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backup.answer import took
from backup.status import AT_ONCE, FileStatus, Status
from mirror.plain_text import indented, shown

MOST_FILES = 20
MOST_LEFT_OUT = 5


def show(status: Status, console: Console) -> None:
    """Prints the answer first, then what is wrong, then every file."""
    console.print(f"[bold {'green' if status.safe else 'red'}]{escape(status.sentence)}[/]")
    if status.hint and not status.wrong:
        console.print(f"  Try: {escape(indented(status.hint))}")
    for wrong in status.wrong:
        subject = "" if wrong.subject == "run" else f"{wrong.subject}: "
        console.print(f"\n{escape(indented(subject + wrong.what))} (since {wrong.since})")
        if wrong.hint:
            console.print(f"  Try: {escape(indented(wrong.hint))}")
    for remark in status.outcome.remarks:
        console.print(f"\nRemark: {escape(indented(f'{remark.subject}: {remark.what}'))} (since {remark.since})")
        if remark.hint:
            console.print(f"  {escape(indented(remark.hint))}")
    if status.target_error and not status.outcome.troubles:
        console.print(f"\n{escape(status.target_error)}")
    console.print(f"\nSource {status.source}, target {status.target}: run {status.outcome.run or '-'}, {_size(status)}")
    console.print(f"Last try {status.outcome.tried_at or '-'}, next {status.outcome.next_at or '-'}")
    console.print(_drill(status))
    if status.changes != AT_ONCE:
        console.print(escape(status.changes))
    if status.left_out:
        console.print(escape(_left_out(status.left_out)))
    console.print(f"{escape(status.alerts)}\n")
    table = Table("file", "here", "mirror", box=None, pad_edge=False)
    mirror_otherwise = "missing" if status.target_bytes is not None else "unknown"
    for file in _first(status.files):
        here = _cell(file, file.here, otherwise="unreadable" if file.is_here else "missing")
        table.add_row(escape(shown(file.file)), here, _cell(file, file.mirror, otherwise=mirror_otherwise))
    console.print(table)
    if len(status.files) > MOST_FILES:
        console.print(f"and {len(status.files) - MOST_FILES} more; all of them: ./sidemirror status --json")


def _left_out(files: tuple[str, ...]) -> str:
    named = ", ".join(shown(file) for file in files[:MOST_LEFT_OUT])
    more = f" and {len(files) - MOST_LEFT_OUT} more" if len(files) > MOST_LEFT_OUT else ""
    return f"Left out by EXCLUDE: {named}{more}"


def _first(files: tuple[FileStatus, ...]) -> list[FileStatus]:
    """What fits on a screen, and what is not on both sides before the rest."""
    return sorted(files, key=lambda file: file.here is not None and file.mirror is not None)[:MOST_FILES]


def _drill(status: Status) -> str:
    """The last rehearsed restore, what it cost, and when the next one is."""
    done, following = status.outcome.drill, f"next {status.outcome.next_drill_at or '-'}"
    if done is None:
        return f"No drill yet, {following}"
    result = "good" if done.ok else "FAILED"
    cost = f"{done.rows} rows in {took(done.seconds)}, {done.bytes / 1e6:.1f} MB downloaded"
    return f"Last drill {done.at} of run {done.run}: {result}, {cost}, {following}"


def _size(status: Status) -> str:
    limit = f"{status.target_bytes_limit / 1e6:.0f} MB"
    if status.target_bytes is None:
        return f"size unknown (limit {limit})"
    return f"{status.target_bytes / 1e6:.1f} MB of {limit}"


def _cell(file: FileStatus, count: int | None, otherwise: str) -> str:
    if count is None:
        return otherwise
    return f"{count} rows" if file.kind == "database" else "document"
