/**
 * Events of KMS in the forms that AWS documents, against the code that reads them. They were written after the examples in
 * https://docs.aws.amazon.com/kms/latest/developerguide/understanding-kms-entries.html, .../kms-events.html and
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html, with names of our own.
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseKmsEvent } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";

interface Sample {
  readonly expected: object;
  readonly event: unknown;
}

function samples(folder: "accepted" | "refused"): readonly (Sample & { readonly file: string })[] {
  const path = `${import.meta.dirname}/${folder}`;
  return readdirSync(path)
    .sort()
    .map((file) => ({ file, ...(JSON.parse(readFileSync(`${path}/${file}`, "utf8")) as Sample) }));
}

describe("an event of KMS", () => {
  test.each(samples("accepted"))("is read as it says: $file", ({ expected, event }) => {
    expect(parseKmsEvent(event)).toMatchObject(expected);
  });

  test.each(samples("refused"))("is refused with the field at fault: $file", ({ expected, event }) => {
    const { code, field } = expected as { readonly code: string; readonly field: string };
    expect(() => parseKmsEvent(event)).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining({ field }) }),
    );
  });
});
