/** The two ways of answering: for people, or as one JSON document for programs. Nothing else goes to stdout. */
import type { TenantKeysError } from "@tenantkeys/core";
import { plainText } from "./plain-text.ts";
import type { Progress } from "./progress.ts";

export interface Output {
  readonly json: boolean;
  /** The command's answer: `human()` for people, `data` for programs. Called once per command. */
  answer(data: unknown, human: () => string): void;
  /** A remark for people, on stderr; programs find it in the answer. */
  note(text: string): void;
  error(error: TenantKeysError): void;
}

export function createOutput(
  stdout: (text: string) => void,
  stderr: (text: string) => void,
  json: boolean,
  progress: Progress,
): Output {
  return {
    json,
    answer(data, human) {
      progress.clear();
      stdout(json ? `${JSON.stringify(data, undefined, 2)}\n` : human());
    },
    note(text) {
      progress.clear();
      if (!json) stderr(`${plainText(text)}\n`);
    },
    error(error) {
      progress.clear();
      stderr(json ? `${JSON.stringify({ error: errorData(error) })}\n` : errorText(error));
    },
  };
}

/** An error as programs get it. The cause stays out: it may hold a whole request. */
export function errorData(error: TenantKeysError) {
  const { tenantId, keyName, step, field } = error.details;
  const { code, message, nextAction } = error;
  return { code, message, nextAction, help: helpLink(code), tenantId, keyName, step, field };
}

function errorText(error: TenantKeysError): string {
  const lines = [
    `error: ${error.code}: ${error.message}`,
    `next: ${error.nextAction}`,
    `help: ${helpLink(error.code)}`,
  ];
  return `${lines.map(plainText).join("\n")}\n`;
}

function helpLink(code: string): string {
  return `docs/errors.md#${code}`;
}
