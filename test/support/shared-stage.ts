/** One stage on one local AWS for the e2e tests of a file: started on first use, stopped when the file is done. */
import { type LocalStage, type LocalStageOptions, startLocalStage } from "@tenantkeys/local";
import { afterAll } from "vitest";

const stages: LocalStage[] = [];

export async function sharedStage(options: LocalStageOptions = {}): Promise<LocalStage> {
  const stage = await startLocalStage(options);
  stages.push(stage);
  return stage;
}

afterAll(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.stop()));
});
