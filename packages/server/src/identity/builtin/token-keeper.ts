import { expandRoles } from "../../policy/roles.ts";
import { BoundedCache } from "../bounded-cache.ts";
import { SingleFlight } from "../single-flight.ts";
import type { IdentityStore } from "./identity-store.ts";
import { newAuditId, newToken, tokenHash } from "./random-ids.ts";
import type {
  ApplicationCredentialRecord,
  ProjectRecord,
  TokenBasis,
  TokenRecord,
  UserRecord,
} from "./records.ts";

/** A token that is worth something now, with what it is worth. */
export interface LiveToken {
  readonly token: TokenRecord;
  readonly user: UserRecord;
  readonly project: ProjectRecord | undefined;
  /** With the implied ones, as Keystone lists them. */
  readonly roles: readonly string[];
  readonly applicationCredential: ApplicationCredentialRecord | undefined;
}

export interface TokenKeeperOptions {
  readonly store: IdentityStore;
  readonly tokenSeconds: number;
  readonly expiredGraceSeconds: number;
  readonly cacheSeconds: number;
  readonly maxCachedTokens: number;
  readonly nowMs: () => number;
}

/** Issues identity tokens, and says what one is worth. Holds no token, only hashes. */
export class TokenKeeper {
  readonly #store: IdentityStore;
  readonly #options: TokenKeeperOptions;
  readonly #cache: BoundedCache<LiveToken>;
  readonly #underWay = new SingleFlight<LiveToken | undefined>();
  /** Changes with every revocation, so that a look-up that began before one is not believed after it. */
  #generation = 0;
  #lastPurgeMs = 0;

  constructor(options: TokenKeeperOptions) {
    this.#store = options.store;
    this.#options = options;
    this.#cache = new BoundedCache({
      maxEntries: options.maxCachedTokens,
      ttlMs: options.cacheSeconds * 1000,
      nowMs: options.nowMs,
    });
  }

  /**
   * Makes a token. One that is got with another (`from`) expires with it, so
   * that no chain of tokens outlives the password that began it.
   *
   * @returns undefined if what was proven (`basis`) no longer holds, or the role in the project was revoked in the meantime
   */
  async issue(grant: {
    readonly userId: string;
    readonly projectId: string | undefined;
    readonly methods: readonly string[];
    readonly basis: TokenBasis;
    readonly from?: TokenRecord;
    readonly applicationCredential?: ApplicationCredentialRecord;
  }): Promise<{ readonly token: string; readonly record: TokenRecord } | undefined> {
    const issuedAtMs = this.#options.nowMs();
    const token = newToken();
    const record: TokenRecord = {
      hash: tokenHash(token),
      userId: grant.userId,
      projectId: grant.projectId,
      methods: grant.methods,
      auditIds: [newAuditId(), ...(grant.from?.auditIds.slice(-1) ?? [])],
      applicationCredentialId: grant.applicationCredential?.id,
      issuedAtMs,
      expiresAtMs: Math.min(
        issuedAtMs + this.#options.tokenSeconds * 1000,
        grant.from?.expiresAtMs ?? Number.POSITIVE_INFINITY,
        grant.applicationCredential?.expiresAtMs ?? Number.POSITIVE_INFINITY,
      ),
    };
    if (!(await this.#store.insertToken(record, grant.basis))) return undefined;
    await this.#purgeNowAndThen(issuedAtMs);
    return { token, record };
  }

  /**
   * What a token is worth now; undefined if nothing: it is unknown, expired or
   * revoked, its user or project is disabled, or the user has lost the last role there.
   *
   * @param allowExpired true for a token that a trusted service relays.
   */
  async find(
    token: string,
    { allowExpired = false }: { readonly allowExpired?: boolean } = {},
  ): Promise<LiveToken | undefined> {
    const hash = tokenHash(token);
    const live = this.#cache.get(hash) ?? (await this.#underWay.do(hash, () => this.#load(hash)));
    const graceMs = allowExpired ? this.#options.expiredGraceSeconds * 1000 : 0;
    return live && this.#expiresAfter(live, graceMs) ? live : undefined;
  }

  /** What an unexpired token is worth, if that is remembered; undefined says nothing of it: {@link find} does. */
  known(token: string): LiveToken | undefined {
    const live = this.#cache.get(tokenHash(token));
    return live && this.#expiresAfter(live, 0) ? live : undefined;
  }

  #expiresAfter(live: LiveToken, graceMs: number): boolean {
    return live.token.expiresAtMs + graceMs > this.#options.nowMs();
  }

  async revoke(hash: string): Promise<void> {
    try {
      await this.#store.deleteToken(hash);
    } finally {
      this.forget();
    }
  }

  /** To be called after every change that may end tokens: of a user, project, role or application credential. */
  forget(): void {
    this.#generation += 1;
    this.#cache.clear();
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.#cache.size;
  }

  async #load(hash: string): Promise<LiveToken | undefined> {
    let generation: number;
    let live: LiveToken | undefined;
    do {
      generation = this.#generation;
      live = await this.#ask(hash);
    } while (generation !== this.#generation);
    if (live) this.#cache.set(hash, live);
    return live;
  }

  async #ask(hash: string): Promise<LiveToken | undefined> {
    const context = await this.#store.findToken(hash);
    if (!context) return undefined;
    const { token, user, project, applicationCredential } = context;
    if (!user.enabled) return undefined;
    if (token.projectId === undefined) {
      return { token, user, project: undefined, roles: [], applicationCredential };
    }
    if (!project?.enabled) return undefined;
    if (token.applicationCredentialId !== undefined && !applicationCredential) return undefined;
    const roles = [...expandRoles(context.roles)].filter(
      (role) => applicationCredential?.roles.includes(role) ?? true,
    );
    if (roles.length === 0) return undefined;
    return { token, user, project, roles, applicationCredential };
  }

  /** Dead rows are swept by those who add live ones, once in ten minutes. */
  async #purgeNowAndThen(nowMs: number): Promise<void> {
    if (nowMs - this.#lastPurgeMs < 600_000) return;
    this.#lastPurgeMs = nowMs;
    await this.#store.deleteTokensExpiredBefore(nowMs - this.#options.expiredGraceSeconds * 1000);
  }
}
