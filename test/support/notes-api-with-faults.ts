/**
 * The sample application with faults, for the test that shows that AWS refuses them: the sample's own stores, given the
 * wrong tenant's id, as code does that mixes up two tenants. `?victim=` names the other tenant.
 */
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { createTenantKeys, type TenantKey } from "@tenantkeys/client";
import { withTenant } from "@tenantkeys/client/middy";
import { parseTenantId } from "@tenantkeys/client/services";
import { attachmentsOf } from "../../examples/notes-api/src/attachments.ts";
import { json, type NotesEvent, tenantOfToken } from "../../examples/notes-api/src/http.ts";
import { notesOf } from "../../examples/notes-api/src/notes.ts";
import { readSettings } from "../../examples/notes-api/src/settings.ts";

const settings = readSettings(process.env);
const { stage, region } = settings;
const tenantKeys = createTenantKeys({ stage, region, recordMaxAgeSeconds: 0 });

/** What the test knows of the other tenant, and the code with the fault could have from anywhere. */
interface Victim {
  readonly tenantId: string;
  readonly roleArn: string;
  readonly keyArn: string;
}

type Fault = (tenantKey: TenantKey, victim: Victim) => Promise<unknown>;

const asVictim = (tenantKey: TenantKey, { tenantId }: Victim): TenantKey => ({
  ...tenantKey,
  tenantId: parseTenantId(tenantId),
});

const FAULTS: Readonly<Record<string, Fault>> = {
  "reads the other tenant's note": (own, victim) => notesOf(asVictim(own, victim), settings).get("first"),
  "writes over the other tenant's note": (own, victim) => notesOf(asVictim(own, victim), settings).put("first", "mine"),
  "lists the other tenant's notes": (own, victim) => notesOf(asVictim(own, victim), settings).list(undefined),
  "reads the other tenant's attachment": (own, victim) =>
    attachmentsOf(asVictim(own, victim), settings).get("first", "a.txt"),
  "puts an attachment under the other tenant's prefix": (own, victim) =>
    attachmentsOf(asVictim(own, victim), settings).put("first", "a.txt", Buffer.from("mine")),
  "puts its attachment with the other tenant's key": (own, { keyArn }) => {
    const access = async () => ({
      ...(await own.access()),
      keyArn: keyArn as Awaited<ReturnType<TenantKey["access"]>>["keyArn"],
    });
    return attachmentsOf({ ...own, access }, settings).put("first", "b.txt", Buffer.from("mine"));
  },
  "asks KMS for a data key of the other tenant's": async (own, { keyArn: KeyId }) => {
    const { kms } = await own.access();
    return kms.generateDataKey({ KeyId, KeySpec: "AES_256" });
  },
  "takes the other tenant's role with its own tag": async (own, { roleArn: RoleArn }) => {
    const Tags = [{ Key: "tenant", Value: own.tenantId }];
    return new STSClient({}).send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "fault", Tags }));
  },
  "asks for the other tenant's key": (_, { tenantId }) => tenantKeys.for(tenantId).encrypt("mine"),
};

const guard = withTenant<NotesEvent>({ tenantKeys, tenantId: tenantOfToken });

export async function handler(event: NotesEvent) {
  const { fault = "", ...victim } = event.queryStringParameters ?? {};
  // As middy does it before a handler: from here on it is this tenant's invocation.
  const context = {} as { readonly tenantKey: TenantKey };
  await guard.before?.({ event, context } as unknown as Parameters<NonNullable<typeof guard.before>>[0]);
  try {
    const commit = FAULTS[fault];
    if (commit === undefined) throw new Error(`there is no fault "${fault}"`);
    await commit(context.tenantKey, victim as unknown as Victim);
    return json(200, { worked: true });
  } catch (error) {
    return json(500, { errors: chain(error) });
  }
}

/** The error's code or name, and those of its causes. */
function chain(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return [code, ...chain(error.cause)];
}
