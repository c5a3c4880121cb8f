"""How a rule takes the place of one of ministack's functions, and what happens when that function is gone."""

import functools
import inspect
import sys

_REST = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def wrap(module, name):
    """Puts a rule in front of `module.name`; the rule gets the original first, then the original's own arguments.

    ministack's functions are not a public interface, so a new version may rename them or change their arguments. A rule
    that silently stopped applying would let tests pass that AWS would fail: the emulator refuses to start instead.
    """
    original = getattr(module, name, None)
    if not callable(original):
        raise SystemExit(_drift(f"{module.__name__}.{name} is missing"))

    def decorate(rule):
        has, wants = _parameters(original), _parameters(rule)[1:]
        if has[: len(wants)] != wants or (len(has) > len(wants) and not _passes_on_the_rest(rule)):
            raise SystemExit(_drift(f"{module.__name__}.{name} takes {has}, not {wants}"))

        @functools.wraps(original)
        def ruled(*args, **named):
            return rule(original, *args, **named)

        _rebind(name, original, ruled)
        return rule

    return decorate


def _parameters(function):
    return [name for name, one in inspect.signature(function).parameters.items() if one.kind not in _REST]


def _passes_on_the_rest(rule):
    return {one.kind for one in inspect.signature(rule).parameters.values()} >= _REST


def _rebind(name, original, ruled):
    """Reaches every module that imported the function by name, and every table of request handlers that holds it."""
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith("ministack"):
            continue
        if getattr(module, name, None) is original:
            setattr(module, name, ruled)
        for table in [value for value in vars(module).values() if isinstance(value, dict)]:
            for key in [key for key, value in table.items() if value is original]:
                table[key] = ruled


def _drift(what):
    return (
        f"strict_ministack doesn't fit this ministack: {what}. "
        "Install the version that packages/local/python/requirements.txt pins, or adapt the rule."
    )
