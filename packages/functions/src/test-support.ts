/** What the unit tests of this folder share. Nothing that ships imports it. */
import { type MockInstance, vi } from "vitest";

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [attribute: string]: unknown;
}

/** Reads the log as it is written: Powertools writes to `console` in its development mode, which also indents. */
export function captureLog(): () => readonly LogLine[] {
  vi.stubEnv("POWERTOOLS_DEV", "true");
  const methods: readonly MockInstance[] = (["debug", "info", "warn", "error", "log"] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation(() => {}),
  );
  return () => methods.flatMap((method) => method.mock.calls.map(([text]) => JSON.parse(String(text)) as LogLine));
}
