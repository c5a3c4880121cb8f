/** Attachments in S3, each tenant's under its own prefix and encrypted by S3 with its own key. */
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type { TenantKey } from "@tenantkeys/client";
import { s3Encryption, tenantPrefix } from "@tenantkeys/client/services";
import type { Settings } from "./settings.ts";
import { asTenant, clientsOf, type TenantClients } from "./tenant-clients.ts";

export interface Attachments {
  put(noteId: string, name: string, bytes: Uint8Array): Promise<void>;
  get(noteId: string, name: string): Promise<Uint8Array>;
}

export function attachmentsOf(
  tenantKey: TenantKey,
  { bucket: Bucket }: Pick<Settings, "bucket">,
  { s3 }: Pick<TenantClients, "s3"> = clientsOf(tenantKey),
): Attachments {
  const objectKey = (noteId: string, name: string) => `${tenantPrefix({}, tenantKey.tenantId)}${noteId}/${name}`;
  return {
    async put(noteId, name, Body) {
      const key = await tenantKey.access();
      const object = { Bucket, Key: objectKey(noteId, name), Body, ...s3Encryption(key) };
      await asTenant(tenantKey, "s3:PutObject", () => s3.send(new PutObjectCommand(object)));
    },
    async get(noteId, name) {
      const object = { Bucket, Key: objectKey(noteId, name) };
      return asTenant(tenantKey, "s3:GetObject", async () => {
        const { Body } = await s3.send(new GetObjectCommand(object));
        return (await Body?.transformToByteArray()) ?? new Uint8Array();
      });
    },
  };
}
