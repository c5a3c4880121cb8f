"""Policy variables: `${aws:PrincipalTag/tenant}` in a statement stands for what the request has under that key."""

import dataclasses
import re

import ministack.core.iam_evaluator as evaluator

from .patching import wrap

VARIABLE = re.compile(r"\$\{([^{},*?$]+?)(?:,\s*'([^']*)')?\}")


@wrap(evaluator, "_first_match")
def first_match(original, ctx, stmts, effect):
    """IAM, "IAM policy elements: Variables and tags".

    A variable stands in Resource, NotResource and in the values of conditions. One without a value, or with several,
    matches nothing, unless it has a default; nor does a value that holds a wildcard here, as on AWS a value's wildcards
    are no wildcards. ministack takes a variable as it is written, so nothing matched at all.
    """
    return original(ctx, [_resolved(stmt, ctx) if _has_variable(stmt) else stmt for stmt in stmts], effect)


def _has_variable(stmt):
    return any("${" in text for text in [*stmt.resources, *stmt.not_resources]) or "${" in str(stmt.conditions)


def _resolved(stmt, ctx):
    return dataclasses.replace(
        stmt,
        # An empty list is "not said" to the evaluator, so what matches nothing stays in the list.
        resources=[_fill_in(text, ctx) for text in stmt.resources],
        not_resources=[_fill_in(text, ctx) for text in stmt.not_resources],
        conditions={
            operator: {key: _filled_in(expected, ctx) for key, expected in block.items()}
            if isinstance(block, dict)
            else block
            for operator, block in stmt.conditions.items()
        },
    )


def _filled_in(expected, ctx):
    if isinstance(expected, list):
        return [_fill_in(one, ctx) if isinstance(one, str) else one for one in expected]
    return _fill_in(expected, ctx) if isinstance(expected, str) else expected


# No ARN and no value of a request has it.
MATCHES_NOTHING = "\0"


def _fill_in(text, ctx):
    def value(match):
        found = evaluator._resolve_condition_key(match.group(1), ctx)
        found = match.group(2) if found is None else found
        return found if isinstance(found, str) and not set(found) & {"*", "?"} else MATCHES_NOTHING

    return VARIABLE.sub(value, text)
