import type { ResourceContext, ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import { HANDLED, requiredText, translateInputs } from "../translate-inputs.ts";

/** SST's code archives and source maps are noted by their path: the function's code is read from there. */
async function noteAsset(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, { bucket: HANDLED, key: HANDLED, source: HANDLED });
  const key = requiredText(request, "key");
  const bucket = requiredText(request, "bucket");
  const path = await assetPath(request.inputs.source);
  if (path === undefined) throw new Error("only a file or an archive on this disk can be uploaded");
  context.assets.set(key, path);
  return { id: key, state: { bucket, key, arn: `arn:aws:s3:::${bucket}/${key}` } };
}

/** The path of a Pulumi FileAsset or FileArchive, which holds it as a promise. */
async function assetPath(source: unknown): Promise<string | undefined> {
  if (typeof source !== "object" || source === null || !("path" in source)) return undefined;
  const path: unknown = await source.path;
  return typeof path === "string" ? path : undefined;
}

export const handlers: ResourceHandlers = {
  "aws:s3/bucketObjectv2:BucketObjectv2": { create: noteAsset },
};
