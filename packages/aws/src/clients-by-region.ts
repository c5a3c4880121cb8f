/** Clients of further Regions, made when they are asked for and kept: replicas are read and changed where they are. */
import { type ClientOptions, type Clients, createClients, destroyClients } from "./clients.ts";

export interface ClientsByRegion {
  in(region: string): Clients;
  /** Closes all of them, the given ones too. */
  close(): void;
}

/** @param home those of `options.region`, where they were made already */
export function createClientsByRegion(options: ClientOptions, home = createClients(options)): ClientsByRegion {
  const byRegion = new Map([[options.region, home]]);
  return {
    in(region) {
      const known = byRegion.get(region) ?? createClients({ ...options, region });
      byRegion.set(region, known);
      return known;
    },
    close() {
      for (const clients of byRegion.values()) destroyClients(clients);
    },
  };
}
