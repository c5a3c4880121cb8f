/** What the deployment tells the functions, in environment variables. */

export interface Settings {
  /** Of tenantkeys: whose tenants these are. */
  readonly stage: string;
  readonly region: string;
  readonly tableName: string;
  readonly bucket: string;
  /** A suspended tenant works on for so long at most. */
  readonly recordMaxAgeSeconds: number;
}

const RECORD_MAX_AGE_SECONDS = "30";

/** @throws Error naming the variable that isn't there */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const required = (name: string) => {
    const value = environment[name];
    if (value === undefined || value === "") throw new Error(`the environment variable ${name} isn't set`);
    return value;
  };
  return {
    stage: required("TENANTKEYS_STAGE"),
    region: required("AWS_REGION"),
    tableName: required("NOTES_TABLE"),
    bucket: required("NOTES_BUCKET"),
    recordMaxAgeSeconds: Number(environment.RECORD_MAX_AGE_SECONDS ?? RECORD_MAX_AGE_SECONDS),
  };
}
