/**
 * Who can do, in the engine's opinion, what nobody is meant to let them do by this key policy. Trying every caller with
 * every action under all circumstances takes thousands of questions per document, so a statement is narrowed down first:
 * an action that it wouldn't allow to everybody without a condition, it allows to nobody, and whom it wouldn't allow any
 * action without a condition, it allows none. The engine says both, and the last word on each attempt that is left is the
 * engine's on the whole document. A test compares with trying all.
 */
import type { KeyAudience } from "@tenantkeys/core";
import { type Caller, callersOf, identityPoliciesOf } from "./callers.ts";
import { isAllowed } from "./engine.ts";
import { isMeantAtMost } from "./meant.ts";
import { type Circumstances, circumstancesOf, KEY_ACTIONS, requestKeys } from "./requests.ts";

const KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const DIRECTLY: Circumstances = { name: "directly", contextTenant: undefined, viaService: undefined };

export interface KeyAttempt {
  readonly caller: Caller;
  readonly action: string;
  readonly circumstances: Circumstances;
}

/** Whether the key's policy, in the engine's opinion, lets it happen. */
export function mayDo(policy: unknown, { caller, action, circumstances }: KeyAttempt): boolean {
  return isAllowed(policy, {
    principal: caller.principal,
    action,
    resource: KEY_ARN,
    accountId: "111122223333",
    context: { ...caller.keys, ...requestKeys(action, circumstances) },
    identityPolicies: identityPoliciesOf(caller),
  });
}

type Statement = Readonly<Record<string, unknown>>;
type DocumentOf = (statement: Statement) => unknown;

export interface ExcessSearch {
  readonly callers: readonly Caller[];
  /** The circumstances that matter to each action. */
  readonly circumstances: ReadonlyMap<string, readonly Circumstances[]>;
  /** The first attempt that the policy allows beyond what is meant; undefined where there is none. */
  firstExcess(policy: unknown): KeyAttempt | undefined;
  /** The same by trying all, for the test that compares. */
  firstExcessOfAll(policy: unknown): KeyAttempt | undefined;
}

export function excessSearch(audience: KeyAudience): ExcessSearch {
  const callers = callersOf(audience);
  const circumstances = new Map(KEY_ACTIONS.map((action) => [action, circumstancesOf(audience, action)]));
  const narrow = narrowing(callers);
  const harmless = new Set<string>();

  /** What the caller isn't meant to do, of these actions. */
  function* forbidden(caller: Caller, actions: readonly string[]): Generator<KeyAttempt> {
    for (const action of actions) {
      for (const how of circumstances.get(action) ?? []) {
        const attempt = { kind: caller.kind, action, circumstances: how };
        if (!isMeantAtMost(audience, attempt)) yield { caller, action, circumstances: how };
      }
    }
  }

  function* attemptsOf(statement: Statement, documentOf: DocumentOf): Generator<KeyAttempt> {
    const actions = narrow.actionsOf(statement, documentOf);
    const ofAnyAction = documentOf({ ...without(statement, "Action", "NotAction"), Action: "*" });
    for (const caller of actions.length === 0 ? [] : narrow.callersOf(statement, documentOf)) {
      // Actions whose requests carry the same keys are the same to a condition.
      const meetsCondition = new Map<string, boolean>();
      for (const attempt of forbidden(caller, actions)) {
        const keys = JSON.stringify(requestKeys(attempt.action, attempt.circumstances));
        const meets = meetsCondition.get(keys) ?? mayDo(ofAnyAction, attempt);
        meetsCondition.set(keys, meets);
        if (meets) yield attempt;
      }
    }
  }

  function firstExcess(policy: unknown): KeyAttempt | undefined {
    const documentOf: DocumentOf = (statement) => ({ ...(policy as object), Statement: [statement] });
    for (const statement of [(policy as { Statement: Statement | readonly Statement[] }).Statement].flat()) {
      const text = JSON.stringify(documentOf(statement));
      if (statement.Effect === "Deny" || harmless.has(text)) continue;
      let isHarmless = true;
      for (const attempt of attemptsOf(statement, documentOf)) {
        isHarmless = false;
        if (mayDo(policy, attempt)) return attempt;
      }
      if (isHarmless) harmless.add(text);
    }
    return undefined;
  }

  function firstExcessOfAll(policy: unknown): KeyAttempt | undefined {
    for (const caller of callers) {
      for (const attempt of forbidden(caller, KEY_ACTIONS)) {
        if (mayDo(policy, attempt)) return attempt;
      }
    }
    return undefined;
  }

  return { callers, circumstances, firstExcess, firstExcessOfAll };
}

/** Most statements share their actions or their principals with others: each set is asked about once. */
function narrowing(callers: readonly Caller[]) {
  const anybody = callers[0] as Caller;
  const actionSets = new Map<string, readonly string[]>();
  const callerSets = new Map<string, readonly Caller[]>();
  return {
    /** What the statement would allow to everybody without a condition. */
    actionsOf(statement: Statement, documentOf: DocumentOf): readonly string[] {
      const policy = documentOf({ ...without(statement, "Sid", "NotPrincipal", "Condition"), Principal: "*" });
      return remembered(actionSets, policy, () =>
        KEY_ACTIONS.filter((action) => mayDo(policy, { caller: anybody, action, circumstances: DIRECTLY })),
      );
    },
    /** Whom the statement would allow everything without a condition. */
    callersOf(statement: Statement, documentOf: DocumentOf): readonly Caller[] {
      const open = without(statement, "Sid", "NotAction", "NotResource", "Condition");
      const policy = documentOf({ ...open, Action: "*", Resource: "*" });
      return remembered(callerSets, policy, () =>
        callers.filter((caller) => mayDo(policy, { caller, action: "kms:Decrypt", circumstances: DIRECTLY })),
      );
    },
  };
}

function remembered<T>(known: Map<string, T>, policy: unknown, ask: () => T): T {
  const text = JSON.stringify(policy);
  const answer = known.get(text) ?? ask();
  known.set(text, answer);
  return answer;
}

function without(statement: Statement, ...elements: readonly string[]): Statement {
  return Object.fromEntries(Object.entries(statement).filter(([name]) => !elements.includes(name)));
}
