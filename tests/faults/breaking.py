"""The faults, each as a block: broken inside, whole after it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from ground import LABEL, TEST_IMAGE, Ground
from stack import poll, run

TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'postgres'"

# Opens all the connections that the pooler allows, and keeps them.
CROWD = """
import os, time, psycopg2
password = open("/run/secrets/target_password").read().strip()
taken = []
while True:
    try:
        taken.append(psycopg2.connect(host="postgres", port=6543, user="postgres", password=password, dbname="postgres",
                                      sslmode="require", connect_timeout=5))
    except psycopg2.OperationalError:
        print("full", len(taken), flush=True)
        time.sleep(0.2)
"""

# Gives on what it takes a while later, in both directions.
SLOW = """
import asyncio
DELAY = 0.15
async def pump(reader, writer):
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()
    async def later():
        while True:
            at, data = await queue.get()
            await asyncio.sleep(max(0, at - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()
    task = asyncio.create_task(later())
    try:
        while data := await reader.read(65536):
            queue.put_nowait((loop.time() + DELAY, data))
    except OSError:
        pass
    queue.put_nowait((loop.time(), b""))
    await task
async def serve(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("postgres", 6543)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", 7777) as server:
        print("ready", flush=True)
        await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def postgres_stopped(ground: Ground) -> Iterator[None]:
    ground.stack.compose("stop", "--timeout", "10", "postgres")
    try:
        yield
    finally:
        ground.stack.script("start", "postgres")


@contextmanager
def postgres_killed(ground: Ground) -> Iterator[None]:
    run(["docker", "kill", ground.stack.container("postgres")])
    try:
        yield
    finally:
        ground.stack.script("start", "postgres")


@contextmanager
def network_cut(ground: Ground) -> Iterator[None]:
    names = (f"{ground.stack.project}_target", ground.stack.container("backup"))
    run(["docker", "network", "disconnect", *names])
    try:
        yield
    finally:
        run(["docker", "network", "connect", *names])


@contextmanager
def slow_network(ground: Ground) -> Iterator[None]:
    """300 ms there and back, and every twentieth packet lost. Not by netem, which not every kernel has: by a redirection to
    a program that waits, and by the packet filter."""
    inside = ("--network", f"container:{ground.stack.container('backup')}")
    name = f"{ground.stack.project}-slow-{uuid4().hex[:6]}"
    run(
        [
            "docker",
            "run",
            "--detach",
            *LABEL,
            "--name",
            name,
            "--user=10002:10002",
            *inside,
            TEST_IMAGE,
            "python",
            "-c",
            SLOW,
        ]
    )
    poll("the slow wire is there", lambda: "ready" in run(["docker", "logs", name]).stdout)

    def filter_packets(action: str) -> None:
        target = "OUTPUT -p tcp --dport 6543"
        rules = (
            f"iptables -t nat {action} {target} -m owner ! --uid-owner 10002 -j REDIRECT --to-ports 7777; "
            f"iptables {action} {target} -m statistic --mode random --probability 0.05 -j DROP; "
            f"iptables {action} INPUT -p tcp --sport 6543 -m statistic --mode random --probability 0.05 -j DROP"
        )
        admin = ("--cap-add=NET_ADMIN", "--user=0:0", *inside, TEST_IMAGE, "sh", "-ec", rules)
        run(["docker", "run", "--rm", *admin])

    filter_packets("-A")
    try:
        yield
    finally:
        filter_packets("-D")
        run(["docker", "rm", "--force", name])


def connect_anew(ground: Ground) -> None:
    """One connection is kept for many runs: what a new one meets is met after this."""
    restart = ("supervisorctl", "-c", "/app/backup/supervisord.conf", "restart", "sidecar:scheduler")
    poll("it starts", lambda: ground.stack.compose("exec", "-T", "backup", *restart, check=False).returncode == 0, 30)


@contextmanager
def pool_exhausted(ground: Ground) -> Iterator[None]:
    name = f"{ground.stack.project}-crowd-{uuid4().hex[:6]}"
    options = (
        "--network",
        f"{ground.stack.project}_target",
        f"--volume={ground.stack.volumes}/secrets/backup:/run/secrets:ro",
    )
    run(["docker", "run", "--detach", *LABEL, "--name", name, *options, TEST_IMAGE, "python", "-c", CROWD])
    poll("the pool is full", lambda: "full" in run(["docker", "logs", name]).stdout)
    connect_anew(ground)
    try:
        yield
    finally:
        run(["docker", "rm", "--force", name])


@contextmanager
def read_only(ground: Ground) -> Iterator[None]:
    """As Supabase has it above the size limit."""
    ground.stack.sql("ALTER ROLE postgres SET default_transaction_read_only = on")
    ground.stack.sql(TERMINATE)
    try:
        yield
    finally:
        ground.stack.sql("ALTER ROLE postgres RESET default_transaction_read_only")
        ground.stack.sql(TERMINATE)


@contextmanager
def catalog_locked(ground: Ground, seconds: int = 60) -> Iterator[None]:
    """Somebody holds a lock that every run needs: a run gets as far as that and waits."""
    statement = f"BEGIN; LOCK TABLE sidemirror.sources IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds})"
    psql = ("psql", "-XqAt", "-U", "supabase_admin", "-d", "postgres", "-c", statement)
    command = ["docker", "exec", ground.stack.container("postgres"), *psql]
    holder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    held = (
        "SELECT pid FROM pg_locks WHERE granted AND relation = 'sidemirror.sources'::regclass AND mode LIKE 'AccessE%'"
    )
    try:
        poll("the lock is held", lambda: ground.stack.sql(held))
        yield
    finally:
        ground.stack.try_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'"
        )
        holder.wait(30)


@contextmanager
def short_statements(ground: Ground) -> Iterator[None]:
    """The server's limit for a statement, and a lock that makes one take longer."""
    ground.stack.sql("ALTER ROLE postgres SET statement_timeout = '1s'")
    ground.stack.sql(TERMINATE)
    try:
        with catalog_locked(ground):
            yield
    finally:
        ground.stack.sql("ALTER ROLE postgres SET statement_timeout = '2min'")
        ground.stack.sql(TERMINATE)


@contextmanager
def another_certificate(ground: Ground) -> Iterator[None]:
    """The server's certificate is of a CA that is not the one that is trusted."""
    ground.stack.as_root("cp", "/volumes/ca/local.crt", "/volumes/ca/kept.crt")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out /volumes/ca/local.crt -subj /CN=other"
    ground.stack.compose("exec", "-T", "postgres", "sh", "-c", command.replace("/volumes/ca", "/ca"))
    connect_anew(ground)
    try:
        yield
    finally:
        ground.stack.as_root("sh", "-c", "cat /volumes/ca/kept.crt > /volumes/ca/local.crt; rm /volumes/ca/kept.crt")


@contextmanager
def full_state(ground: Ground) -> Iterator[None]:
    """No byte is left in the sidecar's state folder."""
    fill = "for size in 64k 1; do dd if=/dev/zero of=/state/ballast$size bs=$size 2>/dev/null; done"
    ground.stack.compose("exec", "-T", "backup", "sh", "-c", fill, check=False)
    try:
        yield
    finally:
        ground.stack.compose("exec", "-T", "backup", "sh", "-c", "rm -f /state/ballast*")


@contextmanager
def clock_of_its_own(ground: Ground) -> Iterator[Callable[[str], None]]:
    """Gives what sets the sidecar's clock off the right one (+1d, -1h). Its container is another one for as long."""
    folder = ("--volume", f"{ground.stack.volumes}/clock:/clock")
    script = "cp /usr/lib/*/faketime/libfaketimeMT.so.1 /clock && echo +0 > /clock/now && chmod 777 /clock /clock/now"
    run(["docker", "run", "--rm", "--network=none", "--user=0:0", *folder, TEST_IMAGE, "sh", "-ec", script])
    files = ground.stack.env["COMPOSE_FILE"]
    ground.stack.env["COMPOSE_FILE"] = f"{files}:tests/faults/clock.yml"
    ground.stack.compose("up", "--detach", "--no-deps", "backup")
    try:
        yield lambda step: (ground.stack.volumes / "clock" / "now").write_text(f"{step}\n") and None
    finally:
        ground.stack.env["COMPOSE_FILE"] = files
        ground.stack.compose("up", "--detach", "--no-deps", "backup")


def kill_scheduler(ground: Ground) -> bool:
    """As the kernel does when memory is short. False when it was not there just then."""
    look = "tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'backup [s]chedule'"
    script = f"for p in /proc/[0-9]*; do if {look}; then kill -9 ${{p#/proc/}} && echo killed; fi; done; true"
    return "killed" in ground.stack.compose("exec", "-T", "backup", "sh", "-c", script, check=False).stdout


def kill_container(ground: Ground) -> None:
    """Everything in the sidecar's container at once; the engine starts it again."""
    found = poll("it runs", lambda: (s := ground.stack.inspect("backup"))["State"]["Pid"] and s)
    pid, restarts = found["State"]["Pid"], found["RestartCount"]
    killer = ("--pid=host", "--network=none", "--user=0:0", "--entrypoint", "sh", TEST_IMAGE, "-c", f"kill -9 {pid}")
    run(["docker", "run", "--rm", *killer])
    # It waits up to a minute before it starts a container that ended often.
    poll("the engine starts it again", lambda: ground.stack.inspect("backup")["RestartCount"] > restarts)
