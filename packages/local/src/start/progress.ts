/** A bar such as `████████░░░░ 18/25`. */
const WIDTH = 24;

export function progressBar(done: number, total: number): string {
  const filled = total === 0 ? WIDTH : Math.round((WIDTH * Math.min(done, total)) / total);
  return `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${done}/${total}`;
}
