/** Whether an IP address lies in any of some CIDR blocks: Node's own list, which knows IPv4, IPv6 and one written as the other. */
import { BlockList, isIP } from "node:net";

/** A handful of lists, one per profile of the stage that has one. */
const lists = new Map<string, BlockList>();

/**
 * @param cidrs as a stage's settings have them, checked when they were deployed
 * @returns false of what isn't an address: it lies in no block
 */
export function isInsideBlocks(address: string, cidrs: readonly string[]): boolean {
  const family = familyOf(address);
  return family !== undefined && blockList(cidrs).check(address, family);
}

function blockList(cidrs: readonly string[]): BlockList {
  const name = cidrs.join(" ");
  const known = lists.get(name);
  if (known !== undefined) return known;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = "", prefixLength = ""] = cidr.split("/");
    list.addSubnet(network, Number(prefixLength), familyOf(network));
  }
  lists.set(name, list);
  return list;
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? "ipv4" : "ipv6";
}
