/** The size of what an application bundles, beside the bare libraries that it would need without the client. */
import { gzipSync } from "node:zlib";
import { PROJECT_ROOT } from "@tenantkeys/local";
import { build } from "esbuild";
import { type Comparison, compare } from "./comparison.ts";

const PRODUCT = `
import { createTenantKeys } from "@tenantkeys/client";
const tenantKeys = createTenantKeys({ stage: "production", region: "eu-west-1" });
export const handler = (event) => tenantKeys.for(event.tenantId).encrypt(event.text);
`;

/** Finding the key, becoming the tenant and encrypting, with nothing that checks any of it. */
const BARE = `
import { buildClient, CommitmentPolicy, KmsKeyringNode, NodeCachingMaterialsManager, getLocalCryptographicMaterialsCache } from "@aws-crypto/client-node";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { KMS } from "@aws-sdk/client-kms";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
export const handler = () => [buildClient, CommitmentPolicy, KmsKeyringNode, NodeCachingMaterialsManager,
  getLocalCryptographicMaterialsCache, new DynamoDBClient({}), GetItemCommand, new KMS({}), AssumeRoleCommand, new STSClient({})];
`;

export async function clientBundles(): Promise<readonly Comparison[]> {
  const product = await bundled(PRODUCT);
  const bare = await bundled(BARE);
  return [
    compare("size of an application's bundle, minified", "bytes", [product.length], [bare.length]),
    compare(
      "size of an application's bundle, minified and gzipped",
      "bytes",
      [gzipSync(product).length],
      [gzipSync(bare).length],
    ),
  ];
}

/** As SST builds a function. */
async function bundled(contents: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: PROJECT_ROOT, loader: "ts" },
    absWorkingDir: PROJECT_ROOT,
    write: false,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    format: "esm",
    target: "es2024",
    mainFields: ["module", "main"],
    banner: { js: 'import { createRequire } from "module"; const require = createRequire(import.meta.url);' },
    logLevel: "silent",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made no bundle");
  return file.contents;
}
