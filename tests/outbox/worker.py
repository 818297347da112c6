"""A process that puts into an outbox, for tests with several of them.

It prints a line for each row that was returned for, and is killed or told to stop by its parent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts
from appcues_async.outbox.outbox import with_steps


async def main(url: str, path: str, name: str, rate: float, die_at: str) -> None:
    """Puts rows until it is told to stop.

    Args:
        url: The sandbox.
        path: The outbox.
        name: What its rows are called by.
        rate: Rows a second.
        die_at: The step of a batch at which it kills itself; empty for none.
    """
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)

    def on_step(step: str, _number: int) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    client = AppcuesClient(
        "sandbox-account",
        "sandbox-key",
        "sandbox-secret",
        base_url=url,
        retry=RetryPolicy(base=0.01, cap=0.05),
        timeouts=Timeouts(settle=1, budget=20),
        polling=PollPolicy(first=0, low=0.02, high=0.1, grace=0.1),
    )
    async with client, with_steps(client.outbox(path, every=0.2), on_step) as outbox:
        print("open", flush=True)
        number = 0
        while not stopped.is_set():
            await outbox.track(f"{name}-{number % 50}", f"{name} {number}")
            await outbox.update_profile(f"{name}-{number % 50}", {"number": number})
            print(number, flush=True)
            number += 1
            await asyncio.sleep(1 / rate)


if __name__ == "__main__":
    url, path, name, rate, die_at = sys.argv[1:]
    asyncio.run(main(url, path, name, float(rate), die_at))
