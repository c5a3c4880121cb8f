/** What each route does, for the tenant whose key it is given. */
import type { TenantKey } from "@tenantkeys/client";
import { attachmentsOf } from "./attachments.ts";
import { type Answer, bodyBytes, json, type NotesEvent, pathParameter, RequestError } from "./http.ts";
import { type Note, type Notes, notesOf } from "./notes.ts";
import type { Settings } from "./settings.ts";

type Route = (event: NotesEvent, tenantKey: TenantKey, settings: Settings) => Promise<Answer>;

const NOTE_ID = /^[a-z0-9-]{1,64}$/;
const ATTACHMENT_NAME = /^[\w-][\w.-]{0,99}$/;
const TEXT_BYTES_MAX = 100_000;
/** What fits into an answer of a Lambda function (6 MB) as base64. */
const ATTACHMENT_BYTES_MAX = 4_000_000;

const ROUTES: Readonly<Record<string, Route>> = {
  "GET /notes": async (event, tenantKey, settings) => {
    const after = event.queryStringParameters?.after;
    if (after !== undefined && !NOTE_ID.test(after)) throw new RequestError(400, "after is not valid");
    return json(200, await notesOf(tenantKey, settings).list(after));
  },
  "PUT /notes/{noteId}": async (event, tenantKey, settings) => {
    const text = Buffer.from(bodyBytes(event, TEXT_BYTES_MAX)).toString("utf8");
    await notesOf(tenantKey, settings).put(noteIdOf(event), text);
    return { statusCode: 204 };
  },
  "GET /notes/{noteId}": async (event, tenantKey, settings) =>
    json(200, await found(notesOf(tenantKey, settings), noteIdOf(event))),
  "PUT /notes/{noteId}/attachments/{name}": async (event, tenantKey, settings) => {
    const [noteId, name, notes] = [noteIdOf(event), nameOf(event), notesOf(tenantKey, settings)];
    await found(notes, noteId);
    await attachmentsOf(tenantKey, settings).put(noteId, name, bodyBytes(event, ATTACHMENT_BYTES_MAX));
    await notes.addAttachment(noteId, name);
    return { statusCode: 204 };
  },
  "GET /notes/{noteId}/attachments/{name}": async (event, tenantKey, settings) => {
    const [noteId, name] = [noteIdOf(event), nameOf(event)];
    const { attachments } = await found(notesOf(tenantKey, settings), noteId);
    if (!attachments.includes(name)) throw new RequestError(404, "there is no such attachment");
    return download(await attachmentsOf(tenantKey, settings).get(noteId, name));
  },
};

/** @throws RequestError, TenantKeysError */
export async function route(event: NotesEvent, tenantKey: TenantKey, settings: Settings): Promise<Answer> {
  const handle = Object.hasOwn(ROUTES, event.routeKey) ? ROUTES[event.routeKey] : undefined;
  if (handle === undefined) throw new RequestError(404, "there is no such route");
  return handle(event, tenantKey, settings);
}

const noteIdOf = (event: NotesEvent) => pathParameter(event, "noteId", NOTE_ID);
const nameOf = (event: NotesEvent) => pathParameter(event, "name", ATTACHMENT_NAME);

async function found(notes: Notes, noteId: string): Promise<Note> {
  const note = await notes.get(noteId);
  if (note === undefined) throw new RequestError(404, "there is no such note");
  return note;
}

/** Never shown in the browser, whatever it is. */
function download(bytes: Uint8Array): Answer {
  const headers = { "content-type": "application/octet-stream", "content-disposition": "attachment" };
  return { statusCode: 200, headers, body: Buffer.from(bytes).toString("base64"), isBase64Encoded: true };
}
