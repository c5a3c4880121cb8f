/**
 * Notes in a DynamoDB table that all tenants share. The text is encrypted with the tenant's key before it leaves the
 * function, bound to its note: moved to another note or tenant, it doesn't decrypt.
 */
import { GetItemCommand, QueryCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { TenantKey } from "@tenantkeys/client";
import type { Settings } from "./settings.ts";
import { asTenant, clientsOf, type TenantClients } from "./tenant-clients.ts";

export interface Note {
  readonly noteId: string;
  readonly text: string;
  readonly attachments: readonly string[];
}

interface NotePage {
  readonly noteIds: readonly string[];
  /** To be given as `after` for the next page. */
  readonly next?: string | undefined;
}

export interface Notes {
  put(noteId: string, text: string): Promise<void>;
  get(noteId: string): Promise<Note | undefined>;
  list(after: string | undefined): Promise<NotePage>;
  addAttachment(noteId: string, name: string): Promise<void>;
}

const PAGE_SIZE = 50;
/** What a session's policy compares: `taggedItemsPolicy` in tenant-policy.ts. */
export const PARTITION_PREFIX = "TENANT#";
const NOTE_PREFIX = "NOTE#";

export function notesOf(
  tenantKey: TenantKey,
  { tableName: TableName }: Pick<Settings, "tableName">,
  { dynamodb }: Pick<TenantClients, "dynamodb"> = clientsOf(tenantKey),
): Notes {
  const pk = { S: `${PARTITION_PREFIX}${tenantKey.tenantId}` };
  const keyOf = (noteId: string) => ({ pk, sk: { S: `${NOTE_PREFIX}${noteId}` } });
  const update = (
    noteId: string,
    change: Pick<UpdateItemCommand["input"], "UpdateExpression" | "ExpressionAttributeValues">,
  ) =>
    asTenant(tenantKey, "dynamodb:UpdateItem", () =>
      dynamodb.send(new UpdateItemCommand({ TableName, Key: keyOf(noteId), ...change })),
    );
  return {
    async put(noteId, text) {
      const sealed = await tenantKey.encrypt(text, { context: { note: noteId } });
      const ExpressionAttributeValues = { ":sealed": { B: sealed } };
      await update(noteId, { UpdateExpression: "SET sealed = :sealed", ExpressionAttributeValues });
    },
    async get(noteId) {
      const { Item } = await asTenant(tenantKey, "dynamodb:GetItem", () =>
        dynamodb.send(new GetItemCommand({ TableName, Key: keyOf(noteId), ConsistentRead: true })),
      );
      if (Item?.sealed?.B === undefined) return undefined;
      const text = await tenantKey.decryptText(Item.sealed.B, { context: { note: noteId } });
      return { noteId, text, attachments: Item.attachments?.SS ?? [] };
    },
    async list(after) {
      const { Items = [], LastEvaluatedKey } = await asTenant(tenantKey, "dynamodb:Query", () =>
        dynamodb.send(
          new QueryCommand({
            TableName,
            KeyConditionExpression: "pk = :pk AND begins_with(sk, :note)",
            ExpressionAttributeValues: { ":pk": pk, ":note": { S: NOTE_PREFIX } },
            ProjectionExpression: "pk, sk",
            Limit: PAGE_SIZE,
            ...(after !== undefined && { ExclusiveStartKey: keyOf(after) }),
          }),
        ),
      );
      return { noteIds: Items.map(noteIdOf), next: LastEvaluatedKey && noteIdOf(LastEvaluatedKey) };
    },
    async addAttachment(noteId, name) {
      const ExpressionAttributeValues = { ":name": { SS: [name] } };
      await update(noteId, { UpdateExpression: "ADD attachments :name", ExpressionAttributeValues });
    },
  };
}

function noteIdOf(item: Readonly<Record<string, { readonly S?: string | undefined }>>): string {
  return (item.sk?.S ?? "").slice(NOTE_PREFIX.length);
}
