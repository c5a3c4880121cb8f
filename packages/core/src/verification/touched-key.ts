/**
 * What an event of KMS is about: which keys and aliases it touched, through which operation, by whom, from where, and
 * whether it was refused. It comes from CloudTrail, or from KMS itself, by EventBridge's default bus:
 * https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html and
 * https://docs.aws.amazon.com/kms/latest/developerguide/kms-events.html
 *
 * Fields that aren't known are overlooked, as AWS adds some from time to time; those that are read must be as they should
 * be, since a guard that skips what it can't read guards nothing.
 */
import * as z from "zod/mini";
import { TenantKeysError } from "../errors.ts";
import { ISO_TIME_PATTERN } from "../events/event-schemas.ts";
import {
  ACCOUNT_ID_PATTERN,
  type AccountId,
  KEY_ARN_PATTERN,
  type KeyArn,
  REGION_PATTERN,
  type Region,
} from "../ids.ts";
import { issueMessage } from "../schema-issues.ts";

/** Who called KMS. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html */
export interface KmsCaller {
  /** Such as `AssumedRole`, `IAMUser`, `AWSAccount` (of another account), `AWSService`. */
  readonly type: string | undefined;
  /** Of the session or the user; absent of other accounts' callers and of AWS itself. */
  readonly arn: string | undefined;
  /** Of the role that the session is of. */
  readonly roleArn: string | undefined;
  readonly accountId: string | undefined;
  /** The service that called for somebody, such as `s3.amazonaws.com`. */
  readonly invokedBy: string | undefined;
}

export interface KmsEvent {
  /** CloudTrail's, or the bus's own of what KMS sends itself: copies of an event have the same. */
  readonly eventId: string;
  /** Such as `ScheduleKeyDeletion`. What KMS says itself has the name that CloudTrail gives to the same (`RotateKey`). */
  readonly operation: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Where the call was made, and in whose account it was written down. */
  readonly region: Region;
  readonly accountId: AccountId;
  /** None where a call was refused before KMS knew the key. */
  readonly keyArns: readonly KeyArn[];
  readonly aliasNames: readonly string[];
  readonly caller: KmsCaller;
  /** An IP address, the name of an AWS service, or `AWS Internal`. */
  readonly sourceAddress: string | undefined;
  /** Such as `AccessDenied`; absent of a call that succeeded. */
  readonly errorCode: string | undefined;
  /** The text of the policy, of a `PutKeyPolicy` alone. */
  readonly policyText: string | undefined;
}

const CLOUD_TRAIL_TYPES = ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"];

/** What KMS says itself, by the name that CloudTrail gives to it: https://docs.aws.amazon.com/kms/latest/developerguide/kms-events.html */
const OWN_TYPES: Readonly<Record<string, string>> = {
  "KMS CMK Rotation": "RotateKey",
  "KMS Imported Key Material Expiration": "DeleteExpiredKeyMaterial",
  "KMS CMK Deletion": "DeleteKey",
};

/** Calls about no key of the account: on lists, on key stores, for random bytes. */
const KEYLESS_OPERATION = /^(ListKeys|ListAliases|ListRetirableGrants|GenerateRandom|[A-Z][a-z]+CustomKeyStores?)$/;

/** ReEncrypt names two keys and an alias call a key and an alias; none names more. */
const RESOURCES_MAX = 20;

const text = z.string().check(z.maxLength(2_048));
const optionalText = z.nullish(text);
const accountId = z.string().check(z.regex(ACCOUNT_ID_PATTERN, "expected 12 digits"));
const region = z.string().check(z.regex(REGION_PATTERN, "expected an AWS Region such as eu-west-1"));
const time = z.string().check(
  z.regex(ISO_TIME_PATTERN, "expected a time such as 2026-11-24T09:30:00Z"),
  z.refine((value) => !Number.isNaN(Date.parse(value)), "expected a time that the calendar has"),
);

const envelopeSchema = z.looseObject({
  id: z.string().check(z.minLength(1), z.maxLength(128)),
  source: z.literal("aws.kms"),
  "detail-type": z.enum([...CLOUD_TRAIL_TYPES, ...Object.keys(OWN_TYPES)]),
  account: accountId,
  region,
  time,
  resources: z.nullish(z.array(text).check(z.maxLength(RESOURCES_MAX))),
  detail: z.looseObject({}),
});

const ownDetailSchema = z.looseObject({ "key-id": optionalText });

const cloudTrailDetailSchema = z.looseObject({
  eventID: z.string().check(z.minLength(1), z.maxLength(128)),
  eventSource: z.literal("kms.amazonaws.com"),
  eventName: z.string().check(z.regex(/^[A-Za-z0-9]{1,64}$/, "expected the name of an operation")),
  eventTime: time,
  awsRegion: region,
  recipientAccountId: accountId,
  sourceIPAddress: optionalText,
  userIdentity: z.looseObject({
    type: optionalText,
    arn: optionalText,
    accountId: optionalText,
    invokedBy: optionalText,
    sessionContext: z.nullish(z.looseObject({ sessionIssuer: z.nullish(z.looseObject({ arn: optionalText })) })),
  }),
  errorCode: optionalText,
  errorMessage: z.nullish(z.string().check(z.maxLength(65_536))),
  requestParameters: z.nullish(
    z.looseObject({
      keyId: optionalText,
      targetKeyId: optionalText,
      sourceKeyId: optionalText,
      destinationKeyId: optionalText,
      aliasName: optionalText,
      policy: z.nullish(z.string().check(z.maxLength(131_072))),
    }),
  ),
  responseElements: z.nullish(
    z.looseObject({ keyId: optionalText, keyMetadata: z.nullish(z.looseObject({ arn: optionalText })) }),
  ),
  serviceEventDetails: z.nullish(z.looseObject({ keyId: optionalText })),
  resources: z.nullish(z.array(z.looseObject({ ARN: optionalText })).check(z.maxLength(RESOURCES_MAX))),
});

type CloudTrailDetail = z.infer<typeof cloudTrailDetailSchema>;

/**
 * @param event as EventBridge gives it to a queue, parsed from JSON
 * @throws TenantKeysError `aws_event_unreadable`, naming the field; nothing else
 */
export function parseKmsEvent(event: unknown): KmsEvent {
  const envelope = check(envelopeSchema, event, "");
  const { "detail-type": type, detail } = envelope;
  const operation = OWN_TYPES[type];
  if (operation === undefined) return fromCloudTrail(check(cloudTrailDetailSchema, detail, "detail."));
  const place = { region: envelope.region as Region, accountId: envelope.account as AccountId };
  const keyId = check(ownDetailSchema, detail, "detail.")["key-id"];
  const named = sortNames([...(envelope.resources ?? []), keyId], place);
  if (named.keyArns.length === 0) throw unreadable("resources", "names no key");
  return {
    eventId: envelope.id,
    operation,
    atMs: Date.parse(envelope.time),
    ...place,
    keyArns: named.keyArns.slice(0, 1),
    aliasNames: [],
    caller: { type: "AWSService", arn: undefined, roleArn: undefined, accountId: undefined, invokedBy: "AWS Internal" },
    sourceAddress: undefined,
    errorCode: undefined,
    policyText: undefined,
  };
}

function fromCloudTrail(detail: CloudTrailDetail): KmsEvent {
  const { userIdentity, requestParameters, eventName: operation } = detail;
  const place = { region: detail.awsRegion as Region, accountId: detail.recipientAccountId as AccountId };
  const named = touched(detail, place);
  const failed = isSaid(detail.errorCode);
  if (named.keyArns.length + named.aliasNames.length === 0 && !failed && !KEYLESS_OPERATION.test(operation)) {
    throw unreadable("detail.resources", `${operation} succeeded and names no key`);
  }
  return {
    eventId: detail.eventID,
    operation,
    atMs: Date.parse(detail.eventTime),
    ...place,
    ...named,
    caller: {
      type: said(userIdentity.type),
      arn: said(userIdentity.arn),
      roleArn: said(userIdentity.sessionContext?.sessionIssuer?.arn),
      accountId: said(userIdentity.accountId),
      invokedBy: said(userIdentity.invokedBy),
    },
    sourceAddress: said(detail.sourceIPAddress),
    errorCode: said(detail.errorCode),
    policyText: operation === "PutKeyPolicy" ? said(requestParameters?.policy) : undefined,
  };
}

interface Place {
  readonly region: Region;
  readonly accountId: AccountId;
}

type Named = Pick<KmsEvent, "keyArns" | "aliasNames">;

/**
 * CloudTrail's own list of resources where it holds a key. Older entries, refused calls and some operations have none:
 * then the answer, then the request, and of a refused call the message, which names the key that wasn't given.
 */
function touched(detail: CloudTrailDetail, place: Place): Named {
  const { requestParameters: request, responseElements: response, serviceEventDetails, resources } = detail;
  const listed = sortNames(resources?.map(({ ARN }) => ARN) ?? [], place);
  const aliases = sortNames([request?.aliasName], place).aliasNames;
  const sources = [
    listed,
    sortNames([response?.keyId, response?.keyMetadata?.arn], place),
    sortNames(
      [
        request?.keyId,
        request?.targetKeyId,
        request?.sourceKeyId,
        request?.destinationKeyId,
        serviceEventDetails?.keyId,
      ],
      place,
    ),
    sortNames(detail.errorMessage?.match(KEY_ARN_IN_TEXT) ?? [], place),
  ];
  const found = sources.find(({ keyArns }) => keyArns.length > 0);
  const aliasNames = sources.slice(0, 3).flatMap((source) => source.aliasNames);
  return { keyArns: found?.keyArns ?? [], aliasNames: [...new Set([...aliases, ...aliasNames])] };
}

const KEY_ARN_IN_TEXT = /arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+/g;
const ALIAS_ARN_PATTERN = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(alias\/.{1,250})$/s;
const KEY_ID_PATTERN = /^[A-Za-z0-9-]{1,256}$/;

/** KMS takes, and CloudTrail writes, a key's id, its ARN, an alias's name or an alias's ARN in the same place. */
function sortNames(names: readonly (string | null | undefined)[], place: Place): Named {
  const keyArns = new Set<KeyArn>();
  const aliasNames = new Set<string>();
  for (const name of names) {
    if (!isSaid(name)) continue;
    const alias = name.startsWith("alias/") ? name : ALIAS_ARN_PATTERN.exec(name)?.[1];
    if (alias !== undefined) aliasNames.add(alias);
    else if (KEY_ARN_PATTERN.test(name)) keyArns.add(name as KeyArn);
    else if (KEY_ID_PATTERN.test(name)) keyArns.add(keyArnIn(place, name));
  }
  return { keyArns: [...keyArns], aliasNames: [...aliasNames] };
}

function keyArnIn({ region: inRegion, accountId: inAccount }: Place, keyId: string): KeyArn {
  return `arn:${partitionOf(inRegion)}:kms:${inRegion}:${inAccount}:key/${keyId}` as KeyArn;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html */
function partitionOf(inRegion: Region): string {
  if (inRegion.startsWith("cn-")) return "aws-cn";
  return inRegion.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

function isSaid(value: string | null | undefined): value is string {
  return value !== undefined && value !== null && value !== "";
}

function said(value: string | null | undefined): string | undefined {
  return isSaid(value) ? value : undefined;
}

function check<Schema extends z.ZodMiniType>(schema: Schema, value: unknown, prefix: string): z.infer<Schema> {
  const result = schema.safeParse(value, { error: issueMessage });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map(String).join(".");
  const field = path === "" ? prefix.slice(0, -1) || "event" : `${prefix}${path}`;
  throw unreadable(field, issue?.message ?? "is not valid", result.error);
}

function unreadable(field: string, reason: string, cause?: unknown): TenantKeysError {
  return new TenantKeysError("aws_event_unreadable", `${field.slice(0, 80)}: ${reason}`, {
    step: "parse",
    field,
    cause,
  });
}
