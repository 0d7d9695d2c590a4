"""For the container's health check: does the page answer?"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException

PORT = 8080
SECONDS = 4


def main() -> int:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException) as error:
        print(f"the page does not answer: {error}")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
