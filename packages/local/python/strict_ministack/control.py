"""What tests ask of the emulator itself, beside AWS's own interface: paths under `/_strict/`."""

import json

from . import calls, cloudwatch_rules, kms_clock

# path -> function of (HTTP method, JSON object of the request) that gives (HTTP status, JSON object).
_CONTROLS = {module.PATH: module.control for module in (calls, cloudwatch_rules, kms_clock)}


def with_controls(app):
    """The same ASGI application, which also answers for these paths."""

    async def answering(scope, receive, send):
        control = _CONTROLS.get(scope["path"]) if scope["type"] == "http" else None
        if control is None:
            await app(scope, receive, send)
            return
        status, document = control(scope["method"], _json_object(await _body(receive)))
        body = json.dumps(document).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answering


async def _body(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _json_object(body):
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
