"""A block of addresses for each stack of the tests. An engine has 31 networks to give by itself and a stack takes six of
them, so that a few stacks at the same time would be all that it can do."""

from __future__ import annotations

import fcntl
import tempfile
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

# Kept for tests of networks (RFC 2544): no machine has an address of it that is its own.
_BLOCKS = list(ip_network("198.18.0.0/15").subnets(new_prefix=25))
_COUNTER = Path(tempfile.gettempdir()) / "sidemirror-test-subnets"


def write(path: Path) -> Path:
    """Writes a Compose file that gives each network of docker-compose.yml sixteen addresses of the next block. A file that
    is there already is left as it is: the networks of a running stack do not change under it."""
    if path.exists():
        return path
    names = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]
    given = zip(names, _next_block().subnets(new_prefix=28), strict=False)
    networks = {name: {"ipam": {"config": [{"subnet": str(subnet)}]}} for name, subnet in given}
    path.write_text(yaml.safe_dump({"networks": networks}))
    return path


def _next_block() -> IPv4Network:
    """Each process of this machine gets another one, until all have been given and the first is free again."""
    with _COUNTER.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = int(file.read() or 0)
        file.seek(0)
        file.truncate()
        file.write(str(number + 1))
    return _BLOCKS[number % len(_BLOCKS)]
