/** The run over a tenant's objects with real clients: the rest of the command is the same in its tests. */
import { reEncryptObjects, tenantS3 } from "@tenantkeys/client/re-encrypt";
import type { CliPorts } from "./ports.ts";

export const reEncryptAsTenant: CliPorts["reEncryptObjects"] =
  ({ region, endpoint }) =>
  async (credentials, objects, settings) => {
    const s3 = tenantS3({ region, endpoint, credentials });
    try {
      return await reEncryptObjects({ ...objects, s3 }, settings);
    } finally {
      s3.destroy();
    }
  };
