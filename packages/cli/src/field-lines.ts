import { plainText } from "./plain-text.ts";

export type Field = readonly [name: string, value: string | number | undefined];

/** One line per field that has a value, the values under each other. */
export function fieldLines(fields: readonly Field[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(width)}  ${plainText(String(value))}`);
  return `${lines.join("\n")}\n`;
}
