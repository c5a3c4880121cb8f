/** Requests and answers of an HTTP API of API Gateway (payload format 2.0). */
import type { APIGatewayProxyEventV2WithJWTAuthorizer } from "aws-lambda";

export type NotesEvent = APIGatewayProxyEventV2WithJWTAuthorizer;

export interface Answer {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/** Something that the caller did wrong, or asked for in vain. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly statusCode: 400 | 404;
  readonly code: "invalid" | "not_found";

  constructor(statusCode: 400 | 404, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = statusCode === 404 ? "not_found" : "invalid";
  }
}

/** The tenant is who the token says: never a part of the path, a header or the body, which the caller writes. */
export function tenantOfToken({ requestContext }: NotesEvent): string | undefined {
  const claim = requestContext.authorizer.jwt.claims[TENANT_CLAIM];
  return typeof claim === "string" ? claim : undefined;
}

/** As Amazon Cognito names a claim of one's own. */
const TENANT_CLAIM = "custom:tenant";

export function json(statusCode: number, body: unknown): Answer {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** @throws RequestError */
export function pathParameter(event: NotesEvent, name: string, pattern: RegExp): string {
  const value = event.pathParameters?.[name] ?? "";
  if (!pattern.test(value)) throw new RequestError(400, `${name} is not valid`);
  return value;
}

/** @throws RequestError */
export function bodyBytes({ body = "", isBase64Encoded }: NotesEvent, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
  if (bytes.length === 0 || bytes.length > bytesMax) throw new RequestError(400, `expected 1 to ${bytesMax} bytes`);
  return bytes;
}
