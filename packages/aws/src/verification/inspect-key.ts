/** Reads one KMS key for verification, each fact apart. */
import { ListGrantsCommand, ListKeyRotationsCommand } from "@aws-sdk/client-kms";
import type {
  InspectedKey,
  KeyArn,
  KeyDescription,
  ObservedGrant,
  PastRotation,
  Reading,
  RotationStatus,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { observedGrant } from "../grants.ts";
import { describeKey, readKeyPolicy, readRotationStatus, readTags } from "../keys.ts";
import { errorName } from "../narrow-error.ts";
import type { InspectionDepth } from "./ports.ts";
import { allPages, type Page, type Reader, reading } from "./reading.ts";

/** What of a key is read. A replica's rotation is its primary's; of a key of another account only the description is shown. */
export interface KeyDepth extends InspectionDepth {
  readonly parts: "all" | "without-rotation" | "description";
}

/** KMS's most are 50,000 grants on a key and 100 of them a page. */
const GRANT_PAGES_MAX = 500;
/** 25 rotations on request and four a year of the shortest period: a page of 1,000 lasts two centuries. */
const ROTATION_PAGES_MAX = 10;
const SKIPPED = { kind: "skipped" } as const;

/** @throws TenantKeysError only what ends the whole check (`reading`) */
export async function inspectKey(
  clients: Clients,
  reader: Reader,
  keyArn: KeyArn,
  depth: KeyDepth,
): Promise<InspectedKey> {
  const wanted = <T>(isWanted: boolean, read: () => Promise<Reading<T>>): Promise<Reading<T>> =>
    isWanted ? read() : Promise.resolve(SKIPPED);
  const { parts } = depth;
  const [description, policy, tags, grants] = await Promise.all([
    readDescription(clients, reader, keyArn),
    wanted(parts !== "description", () =>
      reading(reader, "kms:GetKeyPolicy", () => readKeyPolicy(clients, reader.run, keyArn)),
    ),
    // A key has 50 tags, which is one page.
    wanted(parts !== "description", () =>
      reading(reader, "kms:ListResourceTags", () => readTags(clients, reader.run, keyArn)),
    ),
    wanted(parts !== "description" && depth.grants, () => readGrants(clients, reader, keyArn)),
  ]);
  if (description === "absent") return { kind: "absent", keyArn };
  const [rotation, rotations] = await Promise.all([
    wanted(parts === "all" && mayRotateByItself(description), () => readRotation(clients, reader, keyArn)),
    wanted(parts === "all" && depth.rotations && mayRotate(description), () => readRotations(clients, reader, keyArn)),
  ]);
  return { kind: "present", keyArn, description, policy, tags, rotation, rotations, grants };
}

/** `absent`: KMS's word that there is no such key, which it gives to those only whom IAM lets describe every key. */
async function readDescription(
  clients: Clients,
  reader: Reader,
  keyArn: KeyArn,
): Promise<Reading<KeyDescription> | "absent"> {
  const found = await reading(reader, "kms:DescribeKey", async () => {
    try {
      return (await describeKey(clients, reader.run, keyArn)).description;
    } catch (error) {
      if (errorName(error) === "NotFoundException") return "absent" as const;
      throw error;
    }
  });
  if (found.kind !== "read") return found;
  return found.value === "absent" ? "absent" : { kind: "read", value: found.value };
}

/** Where the description can't be read, KMS is asked and says so itself. */
function mayRotateByItself(description: Reading<KeyDescription>): boolean {
  if (description.kind !== "read") return true;
  const { origin, keySpec, state } = description.value;
  return origin === "AWS_KMS" && keySpec === "SYMMETRIC_DEFAULT" && state !== "Unavailable";
}

/** Imported material is rotated on request as well. https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-on-demand.html */
function mayRotate(description: Reading<KeyDescription>): boolean {
  if (description.kind !== "read") return true;
  const { origin, keySpec, state } = description.value;
  return ["AWS_KMS", "EXTERNAL"].includes(origin) && keySpec === "SYMMETRIC_DEFAULT" && state !== "Unavailable";
}

async function readRotation(clients: Clients, reader: Reader, keyArn: KeyArn): Promise<Reading<RotationStatus>> {
  const found = await reading(reader, "kms:GetKeyRotationStatus", () =>
    readRotationStatus(clients, reader.run, keyArn).catch(unlessUnsupported),
  );
  return withoutUnsupported(found);
}

async function readRotations(
  clients: Clients,
  reader: Reader,
  keyArn: KeyArn,
): Promise<Reading<readonly PastRotation[]>> {
  const operation = "kms:ListKeyRotations";
  const page = async (marker: string | undefined): Promise<Page<PastRotation>> => {
    const command = new ListKeyRotationsCommand({ KeyId: keyArn, Limit: 1000, ...markerOf(marker) });
    const answer = await clients.kms.send(command, { abortSignal: reader.run.signal });
    const items = (answer.Rotations ?? []).flatMap(({ RotationDate: date, RotationType: type }) =>
      // The first material has neither: nothing was rotated to it.
      date === undefined || type === undefined ? [] : [{ atMs: date.getTime(), type }],
    );
    return { items, next: nextOf(answer) };
  };
  const found = await reading(reader, operation, () =>
    allPages(reader, operation, ROTATION_PAGES_MAX, page).catch(unlessUnsupported),
  );
  return withoutUnsupported(found);
}

function readGrants(clients: Clients, reader: Reader, keyArn: KeyArn): Promise<Reading<readonly ObservedGrant[]>> {
  const operation = "kms:ListGrants";
  const page = async (marker: string | undefined): Promise<Page<ObservedGrant>> => {
    const command = new ListGrantsCommand({ KeyId: keyArn, Limit: 100, ...markerOf(marker) });
    const answer = await clients.kms.send(command, { abortSignal: reader.run.signal });
    return { items: (answer.Grants ?? []).map(observedGrant), next: nextOf(answer) };
  };
  return reading(reader, operation, () => allPages(reader, operation, GRANT_PAGES_MAX, page));
}

/** For keys that never rotate, where their description couldn't be read first. */
function unlessUnsupported(error: unknown): undefined {
  if (errorName(error) !== "UnsupportedOperationException") throw error;
}

function withoutUnsupported<T>(found: Reading<T | undefined>): Reading<T> {
  if (found.kind !== "read") return found;
  return found.value === undefined ? SKIPPED : { kind: "read", value: found.value };
}

function markerOf(marker: string | undefined) {
  return marker === undefined ? {} : { Marker: marker };
}

function nextOf(answer: { readonly Truncated?: boolean | undefined; readonly NextMarker?: string | undefined }) {
  return answer.Truncated === true ? (answer.NextMarker ?? "") : undefined;
}
