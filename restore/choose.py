"""Only a part of a plan: databases and documents by name."""

from __future__ import annotations

from dataclasses import replace

from mirror.errors import NoBackup
from restore.plan import Plan


def only(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The plan for these databases and documents: by file, or by file without its ending. All of it for no names.

    Raises NoBackup, listing what there is, for a name that the restore point does not have.
    """
    if not names:
        return plan
    databases = tuple(step for step in plan.databases if _named(step.database.file, names))
    documents = tuple(step for step in plan.documents if _named(step.document.file, names))
    files = [step.database.file for step in databases] + [step.document.file for step in documents]
    for name in names:
        if not any(_named(file, (name,)) for file in files):
            there = [step.database.file for step in plan.databases] + [step.document.file for step in plan.documents]
            raise NoBackup(f"restore point {plan.run} has no {name}", f"it has {', '.join(there)}")
    return replace(plan, databases=databases, documents=documents)


def _named(file: str, names: tuple[str, ...]) -> bool:
    return file in names or file.rsplit(".", 1)[0] in names
