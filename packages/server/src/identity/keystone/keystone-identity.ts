import { createHash } from "node:crypto";
import type { HttpUrl } from "../../config/http-url.ts";
import type { Principal } from "../../model/principal.ts";
import { covers } from "../access-rules.ts";
import { BoundedCache } from "../bounded-cache.ts";
import type { AskedFor, Identity, IdentityHeaders } from "../identity.ts";
import { IdentityError } from "../identity-error.ts";
import { SingleFlight } from "../single-flight.ts";
import { plausibleToken, principalOf, type ValidatedToken } from "../validated-token.ts";
import { KeystoneClient } from "./keystone-client.ts";
import {
  httpUrl,
  type KeystoneIdentityOptions,
  keystoneUrl,
  validateKeystoneOptions,
} from "./keystone-options.ts";

/**
 * Validates tokens at a Keystone, and caches each answer for a time, as
 * keystonemiddleware does.
 *
 * Answers are kept under the SHA-256 of the token, so that a reader of this
 * process's memory finds tokens in its cache. A kept answer's expiry is checked
 * each time; a revocation is noticed when the answer is `tokenCacheSeconds` old.
 */
export class KeystoneIdentity implements Identity {
  readonly wwwAuthenticateUri: HttpUrl;
  readonly #client: KeystoneClient;
  readonly #known: BoundedCache<ValidatedToken>;
  /** Apart from the known ones, so that a flood of nonsense cannot push those out. */
  readonly #unknown: BoundedCache<true>;
  readonly #underWay = new SingleFlight<ValidatedToken | undefined>();
  readonly #maxPending: number;
  readonly #serviceTokenRoles: ReadonlySet<string>;
  readonly #serviceTokenRolesRequired: boolean;
  readonly #serviceType: string;
  readonly #nowMs: () => number;

  /** @throws TypeError for options that make no sense; does not call Keystone yet. */
  constructor(options: KeystoneIdentityOptions) {
    validateKeystoneOptions(options);
    const { authUrl, wwwAuthenticateUri } = options;
    this.wwwAuthenticateUri =
      wwwAuthenticateUri === undefined
        ? keystoneUrl(authUrl)
        : httpUrl("wwwAuthenticateUri", wwwAuthenticateUri);
    this.#client = new KeystoneClient(options);
    this.#nowMs = options.nowMs ?? Date.now;
    const seconds = options.tokenCacheSeconds ?? 300;
    const maxEntries = options.maxCachedTokens ?? 20_000;
    const nowMs = this.#nowMs;
    this.#known = new BoundedCache({ maxEntries, nowMs, ttlMs: seconds * 1000 });
    const unknownSeconds = Math.min(seconds, maxUnknownSeconds);
    this.#unknown = new BoundedCache({ maxEntries, nowMs, ttlMs: unknownSeconds * 1000 });
    this.#maxPending = options.maxPending ?? 1_000;
    this.#serviceTokenRoles = new Set(options.serviceTokenRoles ?? ["service"]);
    this.#serviceTokenRolesRequired = options.serviceTokenRolesRequired ?? true;
    this.#serviceType = options.serviceType ?? "key-manager";
  }

  async authenticate(
    headers: IdentityHeaders,
    requestId: string,
    askedFor?: AskedFor,
  ): Promise<Principal> {
    const token = plausibleToken(headers.token);
    const service =
      headers.serviceToken === undefined
        ? undefined
        : await this.#serviceRoles(plausibleToken(headers.serviceToken, "service token"));
    const allowExpired = service?.trusted === true;
    const validated = await this.#validate(token, allowExpired);
    if (!validated) throw new IdentityError("invalid_token", "identity token: Keystone refuses it");
    if (!allowExpired && validated.expiresAtMs <= this.#nowMs()) {
      throw new IdentityError("invalid_token", "identity token: expired");
    }
    const { accessRules } = validated;
    if (accessRules && !(askedFor && covers(accessRules, this.#serviceType, askedFor))) {
      throw new IdentityError(
        "invalid_token",
        "identity token: its access rules do not cover this",
      );
    }
    return principalOf(validated, requestId, service?.roles);
  }

  async close(): Promise<void> {
    this.#known.clear();
    this.#unknown.clear();
    await this.#client.close();
  }

  async #serviceRoles(
    token: string,
  ): Promise<{ readonly roles: readonly string[]; readonly trusted: boolean }> {
    const validated = await this.#validate(token, false);
    if (!validated || validated.expiresAtMs <= this.#nowMs()) {
      throw new IdentityError("invalid_token", "service token: Keystone refuses it");
    }
    const trusted = validated.roles.some((role) => this.#serviceTokenRoles.has(role));
    if (!trusted && this.#serviceTokenRolesRequired) {
      throw new IdentityError("invalid_token", "service token: none of the roles that it needs");
    }
    return { roles: validated.roles, trusted };
  }

  async #validate(token: string, allowExpired: boolean): Promise<ValidatedToken | undefined> {
    // Whether it may be expired is part of the question, and so of the name under which the answer is kept.
    const key = `${allowExpired ? "+" : ""}${createHash("sha256").update(token).digest("base64")}`;
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#unknown.get(key)) return undefined;
    if (this.#underWay.size >= this.#maxPending) {
      throw new IdentityError("unavailable", "keystone: too many tokens wait for its answer");
    }
    return await this.#underWay.do(key, async () => {
      const validated = await this.#client.validate(token, { allowExpired });
      if (validated) this.#known.set(key, validated);
      else this.#unknown.set(key, true);
      return validated;
    });
  }
}

/** A token that Keystone does not know will not come to life, but its operator may have fixed Keystone in the meantime. */
const maxUnknownSeconds = 60;
