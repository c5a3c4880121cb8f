/** The events that `npm start` publishes: the samples in events/, or as many made ones as were asked for. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a publisher hands to the bus. A refused sample's `detail` may be anything. */
interface SampleEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly time?: string;
  readonly detail: unknown;
}

export interface Sample {
  /** Where it comes from, such as `TenantSignedUp/refused/missing-tenant-id`. */
  readonly name: string;
  readonly event: SampleEvent;
  /** The code with which it must be refused, or undefined where it must be accepted. */
  readonly refusedWith: string | undefined;
}

const SIGN_UP_FOLDERS = ["TenantSignedUp", "sbt-onboarding-request"];

export async function readSamples(eventsDir: string): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const folder of SIGN_UP_FOLDERS) {
    for (const kind of ["accepted", "refused"] as const) {
      const directory = join(eventsDir, folder, kind);
      for (const file of await jsonFiles(directory)) {
        const content = JSON.parse(await readFile(join(directory, file), "utf8"));
        const name = `${folder}/${kind}/${file.replace(/\.json$/, "")}`;
        const sample = kind === "accepted" ? { event: content } : { event: content.event, code: content.expected.code };
        samples.push({ name, event: sample.event, refusedWith: sample.code });
      }
    }
  }
  return samples;
}

async function jsonFiles(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory).catch(() => []);
  return entries.filter((entry) => entry.endsWith(".json")).sort();
}

/** @param startMs the time of the first; each carries its own generation, so that sending it again repeats it */
export function makeSamples(tenants: number, startMs: number): readonly Sample[] {
  return Array.from({ length: tenants }, (_, index) => {
    const tenantId = `tenant-${String(index + 1).padStart(5, "0")}`;
    const time = new Date(startMs + index).toISOString();
    const detail = { version: "1", tenantId };
    return {
      name: tenantId,
      event: { source: "tenantkeys.application", "detail-type": "TenantSignedUp", time, detail },
      refusedWith: undefined,
    };
  });
}

/** The tenant keys that an accepted sample asks for. */
export function wantedKeys(sample: Sample): readonly { readonly tenantId: string; readonly keyName: string }[] {
  const { tenantId, keyNames } = sample.event.detail as { tenantId: string; keyNames?: readonly string[] };
  return (keyNames ?? ["default"]).map((keyName) => ({ tenantId, keyName }));
}
