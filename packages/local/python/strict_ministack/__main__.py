"""Starts ministack with the strict rules. Set by packages/local/src/emulator:

- STRICT_MINISTACK_DATA_DIR: a directory of its own; all files go there, and `port` in it names the port once bound
- STRICT_MINISTACK_PORT: the port on 127.0.0.1, 0 for any free one
- everything else is ministack's own (AUTH, LOG_LEVEL, MINISTACK_REGION, ...)

It ends when stdin closes.
"""

import asyncio
import os
import signal
import socket
import sys

HOST = "127.0.0.1"


def main():
    # Lambda functions inherit this environment: what only this program needs, they don't get.
    data_dir = os.environ.pop("STRICT_MINISTACK_DATA_DIR")
    port = int(os.environ.pop("STRICT_MINISTACK_PORT", "0"))
    os.environ.pop("PYTHONPATH", None)
    if os.environ.get("AUTH") != "true":
        raise SystemExit("strict_ministack needs AUTH=true: without it ministack checks no policy at all.")

    from .lifetime import end_with_parent

    end_with_parent(data_dir)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = _bind(port)
    # ministack reads its port when it is imported, so the port has to be known before.
    os.environ["GATEWAY_PORT"] = str(listener.getsockname()[1])

    # Importing a module puts its rules in place.
    from . import checks, cloudwatch_rules, dynamodb_rules, events_rules, iam_rules, kms_clock  # noqa: F401
    from . import kms_conditions, kms_grants, policy_variables, secrets_encryption  # noqa: F401
    from . import kms_cross_account, kms_deletion, kms_import, kms_policies, kms_states, memory  # noqa: F401
    from . import pace, pages, principals, s3_encryption, sqs_actions, sqs_senders  # noqa: F401
    # Last: it tells of the answers that all the others give.
    from . import cloudtrail  # noqa: F401

    _tell_port(data_dir, os.environ["GATEWAY_PORT"])
    _serve(listener)


def _bind(port):
    """Binds here, not in ministack, so that no other process can take a free port between choosing and using it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise SystemExit(f"port {port} on {HOST} can't be used: {error.strerror}") from error
    return listener


def _tell_port(data_dir, port):
    path = os.path.join(data_dir, "port")
    with open(f"{path}.part", "w", encoding="ascii") as file:
        file.write(port)
    os.replace(f"{path}.part", path)


def _serve(listener):
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import LOG_LEVEL, app

    from .control import with_controls

    # Read when ministack.app is imported. Lambda functions inherit the rest, and their own loggers would obey this one.
    os.environ.pop("LOG_LEVEL", None)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = LOG_LEVEL
    # ministack's own value: SDK clients keep idle connections for about a minute.
    config.keep_alive_timeout = 75
    # hypercorn closes a connection after 1000 requests by default, which a busy client sees as a reset.
    config.keep_alive_max_requests = 1_000_000_000

    async def never():
        await asyncio.Event().wait()

    asyncio.run(serve(with_controls(app), config, shutdown_trigger=never))


if __name__ == "__main__":
    sys.exit(main())
