import { LocalAwsError } from "./errors.ts";

const HEALTH_PATH = "/_ministack/health";
const HEALTH_TIMEOUT_MS = 5_000;

/** True once the endpoint answers with ministack's health page. */
export async function isHealthy(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint + HEALTH_PATH, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** True once the endpoint answers HTTP, whatever it says. */
export async function isAnswering(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/**
 * Checks an endpoint that somebody else started.
 *
 * @throws LocalAwsError `endpoint_is_aws` when it is a real AWS endpoint: the tests delete what they find
 * @throws LocalAwsError `endpoint_unreachable` when nothing answers
 * @throws LocalAwsError `endpoint_without_auth` when it is a ministack that checks no policies
 */
export async function checkEndpoint(endpoint: string): Promise<void> {
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : "";
  if (/(^|\.)(amazonaws\.com(\.cn)?|api\.aws)$/.test(host)) {
    throw new LocalAwsError("endpoint_is_aws", `${endpoint} is AWS itself. AWS_ENDPOINT_URL must name an emulator.`);
  }
  let health: unknown;
  try {
    const response = await fetch(endpoint + HEALTH_PATH, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    health = await response.json().catch(() => undefined);
  } catch (cause) {
    throw new LocalAwsError(
      "endpoint_unreachable",
      `Nothing answers at ${endpoint} (from AWS_ENDPOINT_URL). Start the emulator there, or unset AWS_ENDPOINT_URL ` +
        "to have one started for you.",
      { cause },
    );
  }
  if (typeof health === "object" && health !== null && "auth" in health && health.auth === "disabled") {
    throw new LocalAwsError(
      "endpoint_without_auth",
      `The emulator at ${endpoint} checks no policies, so nothing could be shown with it. Start it with AUTH=true.`,
    );
  }
}
