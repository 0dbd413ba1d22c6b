"""Many threads use the package for the first time at once, for test_sharing.py."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import flowhunt

THREADS = 32


def main(url: str) -> None:
    sys.setswitchinterval(0.0001)
    together = threading.Barrier(THREADS)
    configuration = flowhunt.Configuration(url, "key-1")
    configuration.connection_pool_maxsize = THREADS
    api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))

    def ask(_: int) -> int:
        together.wait()
        return len(api.search_credit_transactions("w-1", {"limit": 10}))

    with ThreadPoolExecutor(THREADS) as threads:
        print(set(threads.map(ask, range(THREADS))))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
