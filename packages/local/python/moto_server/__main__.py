"""Starts moto's server, unchanged: no permission is checked. Set by packages/local/src/emulator/moto.ts:

- TENANTKEYS_DATA_DIR: a directory of its own; `port` in it names the port on 127.0.0.1 once bound

It ends when stdin closes.
"""

import os
import signal

from strict_ministack.lifetime import end_with_parent

HOST = "127.0.0.1"


def main():
    data_dir = os.environ.pop("TENANTKEYS_DATA_DIR")
    end_with_parent(data_dir)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server(HOST, 0, app, threaded=True, request_handler=MotoRequestHandler)
    path = os.path.join(data_dir, "port")
    with open(f"{path}.part", "w", encoding="ascii") as file:
        file.write(str(server.port))
    os.replace(f"{path}.part", path)
    server.serve_forever()


if __name__ == "__main__":
    main()
