import { startBarbicanLab } from "./barbican/lab.ts";
import { serverPackages } from "./barbican/layout.ts";
import { postgresPackages, startPostgres } from "./postgres/postgres.ts";

/** A server that several suites share. */
export interface Peer {
  readonly packages: readonly string[];
  /** Starts it, or joins the one that runs. Suites call the same function themselves and get the same server. */
  start(): Promise<{ stop(): Promise<void> }>;
}

export type PeerName = "barbican" | "postgres";

export const peers: Readonly<Record<PeerName, Peer>> = {
  barbican: { packages: serverPackages, start: () => startBarbicanLab() },
  postgres: { packages: postgresPackages, start: () => startPostgres() },
};
