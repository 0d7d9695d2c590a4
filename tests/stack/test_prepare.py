"""The one-shot that makes volumes/ fit: whoever owns the folder, however often, wherever it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stack import TAG, Result, run

FOLDERS = {
    "sqlite": "10001:10001 750",
    "json": "10001:10001 750",
    "emergency": "10001:10001 750",
    "state": "10001:10001 750",
    "notes": "10001:10001 750",
    "postgres": "999:999 700",
    "secrets/backup": "10001:10001 500",
    "secrets/restore": "10001:10001 500",
    "secrets/postgres": "999:999 500",
}
SECRETS = [f"secrets/{name}/target_password" for name in ("backup", "restore", "postgres")]

Prepare = Callable[..., Result]


def in_container(volumes: Path, *command: str, rights: tuple[str, ...] = (), **env: str) -> Result:
    settings = [f"--env={name}={value}" for name, value in env.items()]
    image = [
        "--network=none",
        f"--volume={volumes}:/volumes",
        "--entrypoint",
        command[0],
        f"sidemirror/prepare:{TAG}",
    ]
    return run(["docker", "run", "--rm", *rights, *settings, *image, *command[1:]], check=False)


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    in_container(tmp_path, "find", "/volumes", "-mindepth", "1", "-delete")


@pytest.fixture
def prepare(volumes: Path) -> Prepare:
    """Runs it as docker-compose.yml does: root with three capabilities and a read-only root."""
    rights = (
        "--read-only",
        "--cap-drop=ALL",
        "--cap-add=CHOWN",
        "--cap-add=DAC_OVERRIDE",
        "--cap-add=FOWNER",
    )

    def go(**env: str) -> Result:
        return in_container(volumes, "/usr/local/bin/prepare", rights=rights, **env)

    return go


def look(volumes: Path, command: str) -> str:
    """What root sees of the folder."""
    return in_container(volumes, "sh", "-c", f"cd /volumes && {command}").stdout


def tree(volumes: Path) -> str:
    """Every path with owner, mode, inode and content."""
    return look(volumes, "find . -printf '%p %U:%G %m %i\\n' | sort; find . -type f | sort | xargs -r sha256sum")


@pytest.mark.parametrize("person", [0, 12345])
def test_it_gives_each_folder_to_its_service_whoever_owns_the_volumes(
    volumes: Path, prepare: Prepare, person: int
) -> None:
    look(volumes, f"chown {person}:{person} .")
    assert prepare().returncode == 0
    found = look(volumes, f"stat -c '%n %u:%g %a' {' '.join(FOLDERS)}")
    assert dict(line.split(" ", 1) for line in found.splitlines()) == FOLDERS
    # What a person puts files into stays the person's: a certificate, a password.
    assert look(volumes, "stat -c '%u' . ca secrets").split() == [str(person)] * 3


def test_a_second_time_changes_nothing(volumes: Path, prepare: Prepare) -> None:
    prepare()
    before = tree(volumes)
    assert prepare().returncode == 0
    assert tree(volumes) == before


def test_the_services_share_one_generated_password_and_two_installations_do_not(
    volumes: Path, prepare: Prepare
) -> None:
    prepare()
    words = [look(volumes, f"cat {name}") for name in SECRETS]
    assert len(set(words)) == 1
    assert len(words[0]) >= 24
    look(volumes, "find . -mindepth 1 -delete")
    prepare()
    assert look(volumes, f"cat {SECRETS[0]}") != words[0]


@pytest.mark.parametrize("missing", [*SECRETS, "state/installation", "sqlite", "secrets"])
def test_what_is_missing_is_made_again_and_the_passwords_agree(volumes: Path, prepare: Prepare, missing: str) -> None:
    prepare()
    look(volumes, f"rm -rf {missing}")
    assert prepare().returncode == 0
    assert len({look(volumes, f"cat {name}") for name in SECRETS}) == 1
    assert len(look(volumes, "cat state/installation").strip()) == 36


def test_what_a_killed_start_left_half_written_is_mended(volumes: Path, prepare: Prepare) -> None:
    prepare()
    installation = look(volumes, "cat state/installation")
    look(
        volumes,
        "cd secrets && rm restore/target_password && printf ha > restore/target_password.new"
        " && : > backup/target_password",
    )
    assert prepare().returncode == 0
    assert len({look(volumes, f"cat {name}") for name in SECRETS}) == 1
    assert look(volumes, "cat state/installation") == installation
    assert look(volumes, "find . -name '*.new'") == ""


def test_a_file_that_a_person_copied_in_becomes_the_bots(volumes: Path, prepare: Prepare) -> None:
    prepare()
    look(volumes, "touch sqlite/old.db && mkdir -p json/deep && touch json/deep/old.json")
    prepare()
    assert look(volumes, "stat -c %u:%g sqlite/old.db json/deep json/deep/old.json").split() == ["10001:10001"] * 3


def test_a_given_password_reaches_every_service(volumes: Path, prepare: Prepare) -> None:
    word = "pä$$ 'w\"o\\rd #1"
    prepare(SUPABASE_DB_PASSWORD=word)
    assert [look(volumes, f"cat {name}") for name in SECRETS] == [word] * 3


def test_a_password_given_as_a_file_does_the_same(volumes: Path, prepare: Prepare) -> None:
    look(volumes, "mkdir secrets && echo from-a-file > secrets/target_password")
    assert prepare().returncode == 0
    assert [look(volumes, f"cat {name}") for name in SECRETS] == ["from-a-file"] * 3


def test_supabases_password_never_becomes_the_stand_ins(volumes: Path, prepare: Prepare) -> None:
    prepare()
    local = look(volumes, f"cat {SECRETS[2]}")
    assert prepare(SUPABASE_DB_HOST="db.example.org", SUPABASE_DB_PASSWORD="theirs").returncode == 0
    assert [look(volumes, f"cat {name}") for name in SECRETS] == ["theirs", "theirs", local]
    prepare()
    assert [look(volumes, f"cat {name}") for name in SECRETS] == [local] * 3


def test_supabase_without_a_password_is_refused_with_the_way_out(prepare: Prepare) -> None:
    refused = prepare(SUPABASE_DB_HOST="db.example.org")
    assert refused.returncode == 2
    assert "SUPABASE_DB_PASSWORD" in refused.stderr


@pytest.mark.parametrize("number", ["0", "bot", "-1", "10 01"])
def test_a_user_that_is_no_number_above_0_is_refused(prepare: Prepare, number: str) -> None:
    refused = prepare(BOT_UID=number)
    assert refused.returncode == 2
    assert "BOT_UID" in refused.stderr


def test_another_user_gets_everything_when_the_number_changes(volumes: Path, prepare: Prepare) -> None:
    prepare()
    look(volumes, "touch sqlite/a.db && chown 10001:10001 sqlite/a.db")
    prepare(BOT_UID="2000", BOT_GID="2000")
    names = "sqlite sqlite/a.db state state/installation secrets/backup secrets/backup/target_password"
    assert look(volumes, f"stat -c %u:%g {names}").split() == ["2000:2000"] * 6


def test_it_says_nothing_when_all_is_well(prepare: Prepare) -> None:
    result = prepare()
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", ["SUPABASE_DB_PASSWORD", "STATUS_PASSWORD", "ALERT_URLS"])
def test_a_secret_both_in_env_and_in_a_file_is_refused(
    volumes: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    file = tmp_path_factory.mktemp("given") / "secret"
    file.write_text("planted-Zq9")
    place = {"SUPABASE_DB_PASSWORD": "target_password"}.get(name, name.lower())
    mounted = (f"--volume={file}:/given/{place}:ro",)
    refused = in_container(volumes, "/usr/local/bin/prepare", rights=mounted, **{name: "other-Zq9"})
    assert refused.returncode == 2
    assert f"{name} and {name}_FILE are both set" in refused.stderr
    assert "Zq9" not in refused.stdout + refused.stderr
    assert in_container(volumes, "/usr/local/bin/prepare", rights=mounted).returncode == 0


CHURN = "cd /volumes/state; while :; do mkdir -p drill/a/b && touch drill/a/b/c && rm -rf drill; done"


def test_files_that_come_and_go_meanwhile_are_no_error(prepare: Prepare, volumes: Path) -> None:
    assert prepare().returncode == 0
    busy = ["--detach", "--network=none", f"--volume={volumes}:/volumes", "--entrypoint", "sh"]
    container = run(["docker", "run", *busy, f"sidemirror/prepare:{TAG}", "-c", CHURN]).stdout.strip()
    try:
        for _ in range(8):
            result = prepare()
            assert result.returncode == 0, result.stderr
    finally:
        run(["docker", "rm", "--force", container])


# Where root looks or writes, in folders that a service may write to.
LAID = [
    "state/installation",
    "state/installation.new",
    "notes/restores.json",
    "sqlite/bot.db",
    "secrets/backup/target_password",
    "secrets/backup/target_password.new",
    "secrets/page/status_password",
]


@pytest.mark.parametrize("leads", ["/volumes/victim", "/dev/zero", "nowhere"])
def test_root_follows_no_link_that_a_service_has_laid(volumes: Path, prepare: Prepare, leads: str) -> None:
    prepare()
    look(volumes, "printf whole > victim && chown 4242:4242 victim && chmod 640 victim")
    before = look(volumes, "stat -c '%U:%G %u:%g %a %i' victim && cat victim")
    # As the bot's user lays them: links of another owner are given to the bot, themselves and not what they lead to.
    look(volumes, "; ".join(f"rm -f {path}; ln -s {leads} {path}; chown -h 4343 {path}" for path in LAID))
    done = prepare()
    assert done.returncode == 0, done.stderr
    assert look(volumes, "stat -c '%U:%G %u:%g %a %i' victim && cat victim") == before
    assert len(look(volumes, "cat state/installation").strip()) == 36
    assert len({look(volumes, f"test ! -L {name} && cat {name}") for name in SECRETS}) == 1
    assert look(volumes, "stat -c '%u' sqlite/bot.db notes/restores.json").split() == ["10001", "10001"]
    assert look(volumes, "ls -d .prepare.* 2>/dev/null") == ""


def test_root_waits_at_no_fifo_and_takes_no_folder_for_a_file(volumes: Path, prepare: Prepare) -> None:
    prepare()
    look(volumes, "; ".join(f"rm -f {path}; mkfifo {path}" for path in LAID))
    assert prepare().returncode == 0
    assert len(look(volumes, "cat state/installation").strip()) == 36
    look(volumes, "rm state/installation; mkdir state/installation")
    done = prepare()
    assert (done.returncode, "state/installation is not what it should be" in done.stderr) == (2, True)
