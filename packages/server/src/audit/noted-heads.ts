/** How far a chain has come. */
export interface ChainHead {
  readonly chain: string;
  /** The first entry that was looked at, if the chain has earlier ones: they are in other archives. */
  readonly from?: number;
  /** How many entries the chain has had, the removed ones included. */
  readonly entries: number;
  /** The last entry's MAC, hex. */
  readonly head: string;
}

/** A chain that was longer, or another one, when its head was noted. */
export interface MissingHead {
  readonly chain: string;
  readonly noted: number;
  /** How many authentic entries there are now. */
  readonly found: number;
}

/** Heads of an earlier report, which must be found again. */
export class NotedHeads {
  readonly #open: Map<string, ChainHead>;
  readonly #found = new Map<string, number>();

  constructor(noted: readonly ChainHead[]) {
    this.#open = new Map(noted.map((head) => [head.chain, head]));
  }

  /** The number of the entry whose MAC was noted; undefined if the chain's head was not, or has been found. */
  sequenceOf(chain: string): number | undefined {
    return this.#open.get(chain)?.entries;
  }

  /** Tells the MAC of an authentic entry. */
  see(chain: string, sequence: number, mac: Uint8Array): void {
    const noted = this.#open.get(chain);
    if (noted?.entries === sequence && noted.head === Buffer.from(mac).toString("hex"))
      this.#open.delete(chain);
  }

  /** Tells how far a chain has come. */
  end(chain: string, sequence: number): void {
    this.#found.set(chain, Math.max(sequence, this.#found.get(chain) ?? 0));
  }

  /** What was noted and not seen. */
  missing(): readonly MissingHead[] {
    return [...this.#open.values()].map(({ chain, entries }) => ({
      chain,
      noted: entries,
      found: this.#found.get(chain) ?? 0,
    }));
  }
}

/** The heads in the text of an earlier report. @throws SyntaxError */
export function parseNotedHeads(report: string): readonly ChainHead[] {
  const chains: unknown = (JSON.parse(report) as { readonly chains?: unknown } | null)?.chains;
  if (!Array.isArray(chains)) throw new SyntaxError("it contains no chains");
  return chains.map((item: unknown) => {
    const { chain, entries, head } = (item ?? {}) as Record<string, unknown>;
    if (typeof chain !== "string" || typeof entries !== "number" || typeof head !== "string")
      throw new SyntaxError("a chain in it has no head");
    return { chain, entries, head };
  });
}
