"""The style, the scripts and the charting library: read once, served from memory, named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    content: bytes
    type: str
    digest: str


class Assets:
    def __init__(self, folder: Path = FOLDER) -> None:
        self.files = {
            path.relative_to(folder).as_posix(): _asset(path) for path in folder.rglob("*") if path.suffix in _TYPES
        }

    def address(self, name: str) -> str:
        """Where a page finds it; another address when its content is another."""
        return f"/static/{name}?v={self.files[name].digest}"

    async def serve(self, request: Request) -> Response:
        asset = self.files.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        cached = "public, max-age=31536000, immutable" if request.query_params.get("v") == asset.digest else "no-cache"
        return Response(asset.content, media_type=asset.type, headers={"cache-control": cached})


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
