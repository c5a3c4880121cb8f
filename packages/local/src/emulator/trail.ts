/**
 * Switches on CloudTrail's events of KMS calls on the default event bus: as on AWS, they come only while a trail logs.
 * See packages/local/python/strict_ministack/cloudtrail.py.
 */
import { CloudTrailClient, CreateTrailCommand, StartLoggingCommand } from "@aws-sdk/client-cloudtrail";
import type { Emulator } from "./emulator.ts";

export async function startTrail({ endpoint, region, credentials }: Emulator): Promise<void> {
  const cloudTrail = new CloudTrailClient({ endpoint, region, credentials });
  try {
    const Name = "management-events";
    await cloudTrail.send(new CreateTrailCommand({ Name, S3BucketName: "trail" }));
    await cloudTrail.send(new StartLoggingCommand({ Name }));
  } finally {
    cloudTrail.destroy();
  }
}
