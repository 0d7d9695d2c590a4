"""KEEP_BACKUPS, EMERGENCY_DIR and DISCORD_WEBHOOK_URL, and the folder as something to copy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bot_modules.errors import SettingsError
from bot_modules.settings import Settings, read_settings

FOLDER = Path(__file__).resolve().parents[3] / "services" / "bot" / "bot_modules"


def test_nothing_needs_to_be_set():
    assert read_settings({}) == Settings(20, None, None)
    assert read_settings({"KEEP_BACKUPS": " ", "EMERGENCY_DIR": "", "DISCORD_WEBHOOK_URL": ""}) == Settings()


def test_what_is_set_is_read(tmp_path):
    (tmp_path / "url").write_text("https://discord.com/api/webhooks/1/x\n")
    read = read_settings(
        {"KEEP_BACKUPS": "5", "EMERGENCY_DIR": "/second", "DISCORD_WEBHOOK_URL_FILE": str(tmp_path / "url")}
    )
    assert read == Settings(5, Path("/second"), "https://discord.com/api/webhooks/1/x")


def test_all_problems_are_told_at_once_and_no_secret_with_them(tmp_path):
    with pytest.raises(SettingsError) as caught:
        read_settings({"KEEP_BACKUPS": "0", "DISCORD_WEBHOOK_URL": "htps://discord.com/token"})
    assert "KEEP_BACKUPS='0' is not a number from 1 to 100000" in str(caught.value)
    assert "DISCORD_WEBHOOK_URL is not an address" in str(caught.value)
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["discord.com/x", "file:///etc/passwd", "https://", "https://a b/secret", "https://[x/secret"]
)
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(SettingsError):
        read_settings({"DISCORD_WEBHOOK_URL": url})


@pytest.mark.parametrize("value", ["-1", "20.0", "many", "¹", "100001", "9" * 5000])
def test_what_is_no_number_of_backups_is_refused(value):
    with pytest.raises(SettingsError, match="KEEP_BACKUPS"):
        read_settings({"KEEP_BACKUPS": value})


def test_a_secret_is_given_in_one_way(tmp_path):
    with pytest.raises(SettingsError, match="both set"):
        read_settings({"DISCORD_WEBHOOK_URL": "https://a/b", "DISCORD_WEBHOOK_URL_FILE": "/x"})
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings({"DISCORD_WEBHOOK_URL_FILE": str(tmp_path / "absent")})


def test_the_folder_works_alone_under_another_name_beside_a_main_file_without_a_guard(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "my_bot" / "storage", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "my_bot" / "main.py").write_text(
        "import asyncio\n"
        "from storage.database import load_data, save_data, data_manager\n"
        "async def main():\n"
        "    data = await load_data()\n"
        "    data['n'] = data.get('n', 0) + 1\n"
        "    data['filling'] = ['x' * 10] * 20_000\n"
        "    await save_data(data)\n"
        "    print(data['n'], (await load_data())['n'], (await data_manager.statistics()).timestamped)\n"
        "asyncio.run(main())\n"
    )
    (tmp_path / "json").mkdir()
    for n in (1, 2):
        done = subprocess.run(
            [sys.executable, "-I", "-c", f"import sys, runpy; sys.path.insert(0, {str(tmp_path / 'my_bot')!r}); "
             f"runpy.run_path({str(tmp_path / 'my_bot' / 'main.py')!r}, run_name='__main__')"],
            env={**os.environ, "JSON_DIR": str(tmp_path / "json")}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == f"{n} {n} {n}\n"
        assert done.stderr == ""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_each_module_needs_the_standard_library_only_and_has_one_idea(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(str(node.module))
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names), f"{path.name} imports {names}"
