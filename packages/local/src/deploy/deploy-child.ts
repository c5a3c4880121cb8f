import { DeployError, describeError } from "./deploy-error.ts";
import { localProvider } from "./local-provider.ts";
import { recordingProvider } from "./recording-provider.ts";
import type { ChildReport, ChildTask } from "./stack-child.ts";
import { runStackProgram } from "./stack-program.ts";

/** The process that runs the stacks program: it gets one task, reports on it, and ends. */

process.once("message", (task: ChildTask) => {
  // The channel to the parent mustn't keep this process alive: the program ends when nothing else does.
  process.channel?.unref();
  void perform(task);
});
// The parent is gone, so nobody waits for what this would still make.
process.once("disconnect", () => process.exit(1));

async function perform(task: ChildTask): Promise<void> {
  let report: ChildReport;
  try {
    const run = await runStackProgram({
      projectRoot: task.projectRoot,
      stage: task.stage,
      functions: task.mode === "deploy" ? "bundle" : "check",
      provider:
        task.mode === "deploy" ? localProvider(task.target) : recordingProvider(task.identity, task.existingArns),
      onResource: ({ type, name }) => process.send?.({ kind: "resource", type, name } satisfies ChildReport),
    });
    report = { kind: "done", run };
  } catch (error) {
    const code = error instanceof DeployError ? error.code : "stacks_failed";
    report = { kind: "failed", code, message: describeError(error) };
  }
  process.send?.(report, () => process.exit(report.kind === "done" ? 0 : 1));
}
