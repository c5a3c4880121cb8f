/** The table of branch keys, where the stage has one, and who may read and write it. See docs/branch-keys.md. */
import {
  branchKeyMakerPolicy as makerDocument,
  branchKeyReaderPolicy as readerDocument,
  SYSTEM_PATH,
} from "@tenantkeys/core";
import { retained } from "./retained.ts";
import { accountId, names, region, settings } from "./stage.ts";

/** The form is that of the AWS Encryption SDK's key store, so that its other implementations can use it too. */
export const branchKeyTable = settings.branchKeys
  ? new sst.aws.Dynamo("BranchKeys", {
      fields: { "branch-key-id": "string", type: "string" },
      primaryIndex: { hashKey: "branch-key-id", rangeKey: "type" },
      deletionProtection: true,
      transform: {
        table: (table, options) => {
          table.name = names.branchKeyTable;
          table.pointInTimeRecovery = { enabled: true };
          // With AWS's key for DynamoDB, which CloudTrail shows the use of. Each branch key in it is wrapped with its tenant's.
          table.serverSideEncryption = { enabled: true };
          Object.assign(options, retained.branchKeyTable);
        },
      },
    })
  : undefined;

/** To be attached to the settings' `applicationRoleArns`, beside the application's policy. */
export const branchKeyReaderPolicy = settings.branchKeys
  ? new aws.iam.Policy("BranchKeyReader", {
      name: names.branchKeyReaderPolicy,
      path: SYSTEM_PATH,
      description: "tenantkeys: to encrypt and decrypt with tenants' branch keys, in a session of each tenant's role",
      policy: JSON.stringify(readerDocument(accountId, region, settings.stage)),
    })
  : undefined;

/** For the control plane alone: whoever writes here could destroy tenants' data. */
export const branchKeyMakerPolicy = settings.branchKeys
  ? new aws.iam.Policy("BranchKeyMaker", {
      name: names.branchKeyMakerPolicy,
      path: SYSTEM_PATH,
      description: "tenantkeys: to make and rotate tenants' branch keys, in a session of each tenant's role",
      policy: JSON.stringify(makerDocument(accountId, region, settings.stage)),
    })
  : undefined;
