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
