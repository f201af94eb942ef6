import { Administration } from "./administration.ts";
import { ApplicationCredentials } from "./application-credentials.ts";
import { BuiltinIdentity } from "./builtin-identity.ts";
import {
  type BuiltinIdentityOptions,
  publicUrlOf,
  validateBuiltinOptions,
} from "./builtin-options.ts";
import { Documents } from "./keystone-api/documents.ts";
import { KeystoneApi } from "./keystone-api/keystone-api.ts";
import { Login } from "./login.ts";
import { LoginLimiter } from "./login-limiter.ts";
import { PasswordHasher } from "./password-hasher.ts";
import { RefusedLogins } from "./refused-logins.ts";
import { TokenKeeper } from "./token-keeper.ts";

/** Built-in identity, ready to be put behind an HTTP server. */
export interface BuiltinIdentityService {
  /** For requests to the key server. */
  readonly identity: BuiltinIdentity;
  /** For requests under `/v3`. */
  readonly api: KeystoneApi;
  /** For the command, and for the first start. */
  readonly administration: Administration;
  /** How much is remembered between requests, by what it is. Each number has a bound. */
  readonly held: () => Readonly<Record<string, number>>;
}

/** @throws TypeError for options that make no sense. */
export function openBuiltinIdentity(options: BuiltinIdentityOptions): BuiltinIdentityService {
  validateBuiltinOptions(options);
  const { store } = options;
  const nowMs = options.nowMs ?? Date.now;
  const tokens = new TokenKeeper({
    store,
    nowMs,
    tokenSeconds: options.tokenSeconds ?? 3_600,
    expiredGraceSeconds: options.expiredGraceSeconds ?? 172_800,
    cacheSeconds: options.tokenCacheSeconds ?? 5,
    maxCachedTokens: options.maxCachedTokens ?? 20_000,
  });
  const changed = () => tokens.forget();
  const passwords = new PasswordHasher(options.passwords);
  const limiter = new LoginLimiter({ nowMs, ...options.logins });
  const audit = options.audit ?? (() => Promise.resolve());
  const refused = new RefusedLogins({ record: audit });
  const login = new Login({ store, tokens, passwords, limiter, audit, refused, nowMs });
  const { eraseProject } = options;
  const administration = new Administration({
    store,
    passwords,
    changed,
    nowMs,
    ...(eraseProject && { eraseProject }),
  });
  const documents = new Documents({
    publicUrl: publicUrlOf(options),
    region: options.region ?? "RegionOne",
  });
  const identity = new BuiltinIdentity({
    tokens,
    wwwAuthenticateUri: () => documents.identityUrl,
    closing: async () => {
      limiter.close();
      await refused.flush();
    },
    serviceTokenRoles: options.serviceTokenRoles ?? ["service"],
  });
  const api = new KeystoneApi({
    store,
    login,
    tokens,
    administration,
    applicationCredentials: new ApplicationCredentials({ store, passwords, changed, nowMs }),
    documents,
    audit,
  });
  const held = () => ({
    ...limiter.held,
    passwordsWaiting: passwords.waiting,
    refusedLogins: refused.size,
    tokens: tokens.size,
  });
  return { identity, api, administration, held };
}
