"""On what kind of file system a folder is, as the kernel names it (man 5 proc, mountinfo)."""

from __future__ import annotations

import re
from pathlib import Path

# What others write there is not told by this kernel, and SQLite's locks are not reliable.
NETWORK = re.compile(r"nfs|cifs|smb|9p|virtiofs|fuse\.(?!fuse-overlayfs)|ceph|gluster|afs|drvfs")


def kind_of(folder: Path, mounted: dict[str, str]) -> str:
    """The kind of the innermost mount that the folder is in; `mounted` as `mounts` gives it."""
    place = folder.resolve()
    return next((mounted[str(at)] for at in (place, *place.parents) if str(at) in mounted), "unknown")


def mounts() -> dict[str, str]:
    """Mount point: kind of file system."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    split = (line.split(" - ") for line in lines)
    return {left.split()[4]: right.split()[0] for left, right in split}
