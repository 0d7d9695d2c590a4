"""supabase_backup.log: the same lines as stdout, in files that never grow beyond a bound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WRITE = """
import logging, sys
from pathlib import Path
from backup import log
log.set_up("info", "text", Path(sys.argv[1]))
for number in range(8000):
    logging.getLogger("test").info("line %d %s", number, "x" * 1000)
"""


def test_the_log_file_is_rotated_and_bounded(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], capture_output=True, text=True, check=True)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["supabase_backup.log", *(f"supabase_backup.log.{n}" for n in range(1, 6))]
    assert max(path.stat().st_size for path in files) <= 1_000_000
    newest = (tmp_path / "supabase_backup.log").read_text().splitlines()
    assert newest == done.stdout.splitlines()[-len(newest) :]
    assert "line 7999 " in newest[-1]


def test_a_folder_that_cannot_be_written_to_is_told_and_the_lines_go_to_stdout(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(tmp_path / "absent")], capture_output=True, text=True, check=True
    )
    assert "no log file in " in done.stdout + done.stderr
    assert "line 7999 " in done.stdout
