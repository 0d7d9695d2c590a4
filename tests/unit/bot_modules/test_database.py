"""load_data, save_data and data_manager: durable, in order, and nothing that JSON would change."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bot_modules import database
from bot_modules.database import DataManager, UnsavableDataError
from bot_modules.durable import write_durably
from bot_modules.encoding import encode

SURROGATE = chr(0xD83D)
GOOD = {
    "text": "Käse 🎁 \u0000 \u2028 'quoted' \"twice\" \\",
    "half a pair": SURROGATE,
    "numbers": [0, -1, 2**70, 0.1, -0.0, 1e308, 5e-324],
    "rest": [True, False, None, [], {}, ""],
    "": {"deep": {"deeper": [[[1]]]}},
}


def _save(manager: DataManager, data: object) -> None:
    asyncio.run(manager.save(data))  # type: ignore[arg-type]


def test_what_was_saved_is_loaded(tmp_path):
    _save(DataManager(tmp_path / "data.json"), GOOD)
    loaded = asyncio.run(DataManager(tmp_path / "data.json").load())
    assert repr(loaded) == repr(GOOD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backups", "data.json"]


def test_the_first_start_gives_an_empty_dict_and_no_file(tmp_path):
    assert asyncio.run(DataManager(tmp_path / "data.json").load()) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_and_no_first_start(tmp_path):
    with pytest.raises(FileNotFoundError):
        asyncio.run(DataManager(tmp_path / "absent" / "data.json").load())


def test_the_three_names_work_as_documented(tmp_path):
    program = (
        "import asyncio\n"
        "from bot_modules.database import load_data, save_data, data_manager\n"
        "async def main():\n"
        "    data = await load_data()\n"
        "    data['visits'] = data.get('visits', 0) + 1\n"
        "    await save_data(data)\n"
        "    assert data_manager.data is data\n"
        "    print(data['visits'], data_manager.path)\n"
        "asyncio.run(main())\n"
    )
    path = Path(database.__file__).parents[1]
    for visit in (1, 2):
        said = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(path), "JSON_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == f"{visit} {tmp_path / 'data.json'}\n"


def _itself() -> dict[str, object]:
    data: dict[str, object] = {}
    data["again"] = data
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"a": [1, {2}]}, "data['a'][1] is a set"),
        ({"a": {"b": math.nan}}, "data['a']['b'] is nan"),
        ({"a": -math.inf}, "data['a'] is -inf"),
        ({"users": {17: "x"}}, "data['users'] has the key 17; JSON keys are text"),
        ({"a": b"bytes"}, "data['a'] is a bytes"),
        ({"a": 10**5000}, "too many digits"),
        ({"a": SURROGATE + chr(0xDE00)}, "JSON would change"),
        ({SURROGATE + chr(0xDE00): 1}, "JSON would change"),
        (_itself(), "contains itself"),
        ([1], "must be a dict"),
        (None, "must be a dict"),
    ],
)
def test_data_that_json_cannot_give_back_raises_before_anything_is_written(tmp_path, data, said):
    manager = DataManager(tmp_path / "data.json")
    _save(manager, {"kept": 1})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnsavableDataError) as caught:
        _save(manager, data)
    assert said in str(caught.value)
    assert json.loads((tmp_path / "data.json").read_bytes()) == {"kept": 1}
    assert manager.data == {"kept": 1}
    assert sorted(tmp_path.rglob("*")) == before


def test_overlapping_saves_are_written_in_the_order_of_their_calls(tmp_path):
    manager = DataManager(tmp_path / "data.json")

    async def many() -> None:
        data = {"n": 0, "filling": "x" * 10_000}
        saves = []
        for number in range(1, 201):
            data["n"] = number  # what counts is the data at the call, not at the write
            saves.append(asyncio.ensure_future(manager.save(data)))
            await asyncio.sleep(0)
        loaded = await manager.load()
        await asyncio.gather(*saves)
        assert loaded["n"] == 200

    asyncio.run(many())
    assert json.loads((tmp_path / "data.json").read_bytes())["n"] == 200


def test_a_save_whose_caller_was_cancelled_is_still_carried_out_in_its_turn(tmp_path):
    manager = DataManager(tmp_path / "data.json")

    async def cancelled() -> None:
        first = asyncio.ensure_future(manager.save({"n": 1}))
        second = asyncio.ensure_future(manager.save({"n": 2}))
        await asyncio.sleep(0)
        second.cancel()
        await first
        assert await manager.load() == {"n": 2}

    asyncio.run(cancelled())


def test_readers_never_see_half_a_document(tmp_path):
    path = tmp_path / "data.json"
    write_durably(path, encode({"n": 0, "filling": []}))
    program = (
        "import sys; from pathlib import Path\n"
        "from bot_modules.durable import write_durably; from bot_modules.encoding import encode\n"
        "for n in range(300): write_durably(Path(sys.argv[1]), encode({'n': n, 'filling': [n] * (n * 50)}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(database.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", program, str(path)], env=environment) as writer:
        seen = set()
        while writer.poll() is None:
            data = json.loads(path.read_bytes())
            assert data["filling"] == [data["n"]] * (data["n"] * 50)
            seen.add(data["n"])
    assert writer.returncode == 0
    assert len(seen) > 1


def test_a_save_that_the_disk_refuses_keeps_the_old_content_and_no_rubbish(tmp_path):
    manager = DataManager(tmp_path / "data.json")
    _save(manager, {"kept": 1})
    program = (
        "import asyncio, resource, signal, sys\n"
        "from pathlib import Path; from bot_modules.database import DataManager\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: asyncio.run(DataManager(Path(sys.argv[1])).save({'filling': 'x' * 100_000}))\n"
        "except OSError as error: print(error.strerror)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(database.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data.json")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "File too large\n"
    assert json.loads((tmp_path / "data.json").read_bytes()) == {"kept": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backups", "data.json"]
