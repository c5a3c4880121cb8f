/** What `npm start` can be told. */
import { parseArgs } from "node:util";

export interface StartOptions {
  /** Undefined: the samples in events/. */
  readonly tenants: number | undefined;
  /** Tenants whose isolation is tried against each other; the work grows with its square. */
  readonly matrixTenants: number;
  /** Leave the local AWS running afterwards, until Ctrl-C. */
  readonly keep: boolean;
  readonly help: boolean;
}

export const USAGE = `npm start -- [--tenants N] [--matrix N] [--keep]

Starts the local AWS, deploys the stacks, signs tenants up, waits until each is active or refused,
proves their isolation live and sends every event again to show that nothing changes.

  --tenants N   make N sign-ups (1 to 10000) instead of the 25 samples in events/
  --matrix N    try the isolation of at most N tenants against each other (2 to 500, default 25)
  --keep        leave it running until Ctrl-C and print how to reach it
  --help        this text

With AWS_ENDPOINT_URL set, that endpoint is used and nothing is started or stopped.

Examples
  npm start
  npm start -- --tenants 500
  npm start -- --keep

Exit codes: 0 all as it should be, 1 something isn't (it says what), 64 usage.
`;

/** @throws Error with a sentence for the user */
export function parseStartOptions(args: readonly string[]): StartOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tenants: { type: "string" },
      matrix: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    tenants: values.tenants === undefined ? undefined : count("--tenants", values.tenants, 1, 10_000),
    matrixTenants: values.matrix === undefined ? 25 : count("--matrix", values.matrix, 2, 500),
    keep: values.keep,
    help: values.help,
  };
}

function count(option: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new Error(`${option} ${text}: expected a whole number from ${minimum} to ${maximum}`);
}
