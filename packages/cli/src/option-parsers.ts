/** From an option's text to its checked value; commander puts the option's name before the message. */
import { type KeyName, parseKeyName, TenantKeysError } from "@tenantkeys/core";
import { InvalidArgumentError } from "commander";

export function wholeNumber(minimum: number, maximum: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${minimum} to ${maximum}.`);
  };
}

/** For arguments and options that hold one of our identifiers: `parse` throws `identifier_invalid`. */
export function identifier<Id>(parse: (text: string) => Id) {
  return (text: string): Id => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof TenantKeysError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

/** For an option that takes several key names, each once. */
export function keyNames(text: string, previous: readonly KeyName[] = []): readonly KeyName[] {
  const keyName = identifier(parseKeyName)(text);
  if (previous.includes(keyName)) throw new InvalidArgumentError(`Expected no name twice, got "${text}" again.`);
  return [...previous, keyName];
}

/** As the schema of the events has it: 1 to 256 characters that can be shown, the first no blank. */
const REASON_PATTERN = /^[^\p{C}\p{Z}][^\p{C}\p{Zl}\p{Zp}]{0,255}$/u;

export function reason(text: string): string {
  if (REASON_PATTERN.test(text)) return text;
  throw new InvalidArgumentError("Expected 1 to 256 printable characters, the first no blank.");
}

const ISO_TIME_PATTERN = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

/** @returns epoch milliseconds. Without an offset a time means another moment on every machine, so it needs one. */
export function isoTime(text: string): number {
  const timeMs = Date.parse(text);
  if (ISO_TIME_PATTERN.test(text) && timeMs >= 0) return timeMs;
  throw new InvalidArgumentError("Expected a time with its offset, such as 2026-11-24T09:30:00Z.");
}
