/** Reads events from a file, a directory or standard input: one event, an array, JSON Lines, or a refused sample. */
import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BusEvent } from "@tenantkeys/aws";
import { TenantKeysError } from "@tenantkeys/core";

/** What is read into memory at once. */
export const INPUT_BYTES_MAX = 64 * 1024 * 1024;
const FILES_MAX = 100_000;
const DIRECTORY_LEVELS_MAX = 16;

/** An event, or why there is none, with where it stands: `path`, `path#2` (second of an array), `path:7` (line 7). */
export type ReadEvent =
  | { readonly kind: "event"; readonly origin: string; readonly event: BusEvent }
  | { readonly kind: "unreadable"; readonly origin: string; readonly error: TenantKeysError };

/**
 * @param source a file, a directory (its *.json, *.jsonl and *.ndjson files, sorted; not *.schema.json), or `-`
 * @throws TenantKeysError `input_unreadable` where the source itself can't be read; what is wrong with one event of
 *   many is given in its place
 */
export async function* readEvents(
  source: string,
  readStdin: () => Promise<string>,
): AsyncGenerator<ReadEvent, void, undefined> {
  if (source === "-") {
    yield* parseEvents(await readStdin(), "standard input");
    return;
  }
  const found = await stat(source).catch((cause) => {
    throw unreadable(`${source}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  });
  if (!found.isDirectory()) {
    yield* parseEvents(await readText(source), source);
    return;
  }
  for (const path of await eventFiles(source)) {
    try {
      yield* parseEvents(await readText(path), path);
    } catch (error) {
      if (!(error instanceof TenantKeysError)) throw error;
      yield { kind: "unreadable", origin: path, error };
    }
  }
}

/** @throws TenantKeysError `input_unreadable` where not one event is in it */
export function* parseEvents(text: string, origin: string): Generator<ReadEvent, void, undefined> {
  const whole = parseJson(text);
  if (whole.ok) {
    if (!Array.isArray(whole.value)) yield readEvent(whole.value, origin);
    else for (const [index, value] of whole.value.entries()) yield readEvent(value, `${origin}#${index + 1}`);
    return;
  }
  const lines = text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [{ line, number: index + 1 }]));
  if (lines.length < 2) throw unreadable(`${origin}: expected JSON: an event, an array of events, or one per line`);
  for (const { line, number } of lines) {
    const parsed = parseJson(line);
    const at = `${origin}:${number}`;
    if (parsed.ok) yield readEvent(parsed.value, at);
    else yield { kind: "unreadable", origin: at, error: unreadable(`${at}: the line is not JSON`, parsed.cause) };
  }
}

/** @throws TenantKeysError `event_invalid` where it isn't shaped like an event: that is certainly no sign-up */
export function toBusEvent(value: unknown): BusEvent {
  const given = unwrapSample(value);
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw notAnEvent("(whole)", "an object");
  const { source, "detail-type": type, time, account, region, detail } = given as Record<string, unknown>;
  if (typeof source !== "string") throw notAnEvent("source", "a string");
  if (typeof type !== "string") throw notAnEvent("detail-type", "a string");
  if (time !== undefined && typeof time !== "string") throw notAnEvent("time", "a string or nothing");
  return {
    source,
    "detail-type": type,
    time,
    detail,
    ...(typeof account === "string" ? { account } : {}),
    ...(typeof region === "string" ? { region } : {}),
  };
}

/** The refused samples in events/ say beside the event which error it must lead to. */
function unwrapSample(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return "expected" in value && "event" in value && !("source" in value) ? value.event : value;
}

function readEvent(value: unknown, origin: string): ReadEvent {
  try {
    return { kind: "event", origin, event: toBusEvent(value) };
  } catch (error) {
    if (error instanceof TenantKeysError) return { kind: "unreadable", origin, error };
    throw error;
  }
}

async function eventFiles(directory: string): Promise<readonly string[]> {
  const files: string[] = [];
  const walk = async (path: string, level: number): Promise<void> => {
    if (level > DIRECTORY_LEVELS_MAX) throw unreadable(`${path}: more than ${DIRECTORY_LEVELS_MAX} directories deep`);
    const entries: Dirent[] = await readdir(path, { withFileTypes: true }).catch((cause) => {
      throw unreadable(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    });
    for (const entry of entries) {
      if (entry.isDirectory()) await walk(join(path, entry.name), level + 1);
      else if (/\.(json|jsonl|ndjson)$/.test(entry.name) && !entry.name.endsWith(".schema.json")) {
        files.push(join(path, entry.name));
      }
    }
    if (files.length > FILES_MAX) throw unreadable(`${directory}: more than ${FILES_MAX} files`);
  };
  await walk(directory, 1);
  if (files.length === 0) throw unreadable(`${directory}: holds no *.json, *.jsonl or *.ndjson file`);
  return files.sort();
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > INPUT_BYTES_MAX) throw tooLarge(path);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof TenantKeysError) throw error;
    throw unreadable(`${path}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

export function tooLarge(origin: string): TenantKeysError {
  return unreadable(`${origin}: holds more than ${INPUT_BYTES_MAX / 1024 / 1024} MiB; split it`);
}

function unreadable(message: string, cause?: unknown): TenantKeysError {
  return new TenantKeysError("input_unreadable", message, { step: "read", cause });
}

function notAnEvent(field: string, expected: string): TenantKeysError {
  return new TenantKeysError("event_invalid", `${field}: expected ${expected}, as EventBridge writes events`, {
    field,
    step: "read",
  });
}

type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly cause: unknown };

function parseJson(text: string): Parsed {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (cause) {
    return { ok: false, cause };
  }
}
