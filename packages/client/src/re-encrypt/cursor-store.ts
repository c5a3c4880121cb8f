/** Where a run keeps how far it is: the text is small, holds no secret, and only this run can read it. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { TenantKeysError } from "@tenantkeys/core";
import { narrowS3Error } from "./s3-errors.ts";

export interface CursorStore {
  /** @returns undefined where there is none */
  load(): Promise<string | undefined>;
  /** All of it or nothing, also when the process ends in the middle. */
  save(text: string): Promise<void>;
  clear(): Promise<void>;
}

/** The longest list of failures fits several times. */
const CURSOR_BYTES_MAX = 4 * 1024 * 1024;

/** A file: written beside it and renamed, so that what is there is always whole. */
export function fileCursorStore(path: string): CursorStore {
  return {
    async load() {
      try {
        return limited(await readFile(path, "utf8"), path);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw unreadable(error, path);
      }
    },
    async save(text) {
      const beside = `${path}.${randomUUID()}`;
      try {
        const file = await open(beside, "wx", 0o600);
        try {
          await file.writeFile(text);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(beside, path);
      } catch (error) {
        await rm(beside, { force: true }).catch(() => {});
        throw unreadable(error, path);
      }
    },
    clear: () => rm(path, { force: true }),
  };
}

/** An object in a bucket, for runs without a disk. Outside of the prefix that is moved, or the run would move it as well. */
export function s3CursorStore(s3: S3Client, bucket: string, key: string): CursorStore {
  const at = { Bucket: bucket, Key: key };
  return {
    async load() {
      try {
        const { Body: body } = await s3.send(new GetObjectCommand(at));
        return limited((await body?.transformToString()) ?? "", key);
      } catch (error) {
        if (error instanceof Error && error.name === "NoSuchKey") return undefined;
        throw narrowS3Error(error, "s3:GetObject");
      }
    },
    async save(text) {
      await s3.send(new PutObjectCommand({ ...at, Body: text, ContentType: "application/json" })).catch((error) => {
        throw narrowS3Error(error, "s3:PutObject");
      });
    },
    async clear() {
      await s3.send(new DeleteObjectCommand(at)).catch((error) => {
        throw narrowS3Error(error, "s3:DeleteObject");
      });
    },
  };
}

function limited(text: string, where: string): string {
  if (text.length <= CURSOR_BYTES_MAX) return text;
  throw new TenantKeysError("input_unreadable", `${where} is too long for a cursor`, { field: "cursor" });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function unreadable(cause: unknown, path: string): TenantKeysError {
  if (cause instanceof TenantKeysError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TenantKeysError("input_unreadable", `the cursor ${path}: ${reason}`, { field: "cursor", cause });
}
