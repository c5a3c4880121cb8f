/** How many keys, aliases and roles a stage has in AWS, counted by walking AWS's own lists. */
import { ListRolesCommand } from "@aws-sdk/client-iam";
import { ListAliasesCommand } from "@aws-sdk/client-kms";
import { GetResourcesCommand } from "@aws-sdk/client-resource-groups-tagging-api";
import type { Clients } from "@tenantkeys/aws";
import { STAGE_TAG, type Stage, tenantRolePath } from "@tenantkeys/core";

export interface ResourceCounts {
  readonly keys: number;
  readonly aliases: number;
  readonly roles: number;
}

/** One more than a hundred thousand keys take at 100 a page. */
const PAGES_MAX = 1_001;

export async function countResources(clients: Clients, stage: Stage): Promise<ResourceCounts> {
  const [keys, aliases, roles] = await Promise.all([
    countPages(async (marker) => {
      const filter = { ResourceTypeFilters: ["kms:key"], TagFilters: [{ Key: STAGE_TAG, Values: [stage] }] };
      const page = await clients.tagging.send(new GetResourcesCommand({ ...filter, PaginationToken: marker ?? "" }));
      return { count: page.ResourceTagMappingList?.length ?? 0, next: page.PaginationToken || undefined };
    }),
    countPages(async (marker) => {
      const page = await clients.kms.send(new ListAliasesCommand({ Limit: 100, ...(marker && { Marker: marker }) }));
      const ours = (page.Aliases ?? []).filter((alias) => alias.AliasName?.startsWith(`alias/tenantkeys/${stage}/`));
      return { count: ours.length, next: page.Truncated ? page.NextMarker : undefined };
    }),
    countPages(async (marker) => {
      const PathPrefix = tenantRolePath(stage);
      const page = await clients.iam.send(new ListRolesCommand({ PathPrefix, ...(marker && { Marker: marker }) }));
      return { count: page.Roles?.length ?? 0, next: page.IsTruncated ? page.Marker : undefined };
    }),
  ]);
  return { keys, aliases, roles };
}

type Page = { readonly count: number; readonly next: string | undefined };

async function countPages(read: (marker: string | undefined) => Promise<Page>): Promise<number> {
  let total = 0;
  let marker: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { count, next } = await read(marker);
    total += count;
    if (next === undefined) return total;
    marker = next;
  }
  throw new Error(`more than ${PAGES_MAX} pages: this list is read in a loop`);
}
