/** A middleware that answers every error: with a status, and a code that tells nothing of the account. */
import type { MiddlewareObj } from "@middy/core";
import { httpStatusOf } from "@tenantkeys/client";
import { type Answer, json, RequestError } from "./http.ts";

export function answerErrors(): MiddlewareObj<unknown, Answer> {
  return {
    onError(request) {
      request.response = answerOf(request.error);
    },
  };
}

/** Messages of tenantkeys name keys and roles: they are for the log. */
function answerOf(error: unknown): Answer {
  if (error instanceof RequestError) return json(error.statusCode, { error: error.code, message: error.message });
  const { statusCode, headers } = httpStatusOf(error);
  const { code = "internal", message = String(error) } = error as { code?: string; message?: string };
  console.error(JSON.stringify({ statusCode, code, message }));
  const answer = json(statusCode, { error: statusCode === 500 ? "internal" : code });
  return { ...answer, headers: { ...answer.headers, ...headers } };
}
