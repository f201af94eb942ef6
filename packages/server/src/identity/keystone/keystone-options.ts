import { type HttpUrl, parseHttpUrl } from "../../config/http-url.ts";
import { didYouMean } from "../../model/did-you-mean.ts";

/** How this server proves to Keystone who it is. The project must grant it a role that may validate tokens. */
export type ServiceCredentials =
  | {
      readonly type: "password";
      readonly username: string;
      readonly userDomainName?: string;
      readonly password: string;
      readonly projectName: string;
      readonly projectDomainName?: string;
    }
  | { readonly type: "application_credential"; readonly id: string; readonly secret: string };

/** Which Keystone, as whom to ask it, and how long to trust its answers. */
export interface KeystoneIdentityOptions {
  /** Keystone's address, with or without `/v3`. */
  readonly authUrl: string;
  readonly credentials: ServiceCredentials;
  /** The URL at which clients get a token. Default: `authUrl` with `/v3`. */
  readonly wwwAuthenticateUri?: string;
  /** How long an answer is believed, and so how long a revoked token lives on. Default: 300; 0 asks every time. */
  readonly tokenCacheSeconds?: number;
  /** Default: 20,000, about 20 MB. */
  readonly maxCachedTokens?: number;
  /** Roles of which a service token needs one. Default: `["service"]`. */
  readonly serviceTokenRoles?: readonly string[];
  /**
   * If false, a service token without such a role is not refused, but cannot
   * revive an expired token either. Weaker; Keystone's clouds of old need it. Default: true.
   */
  readonly serviceTokenRolesRequired?: boolean;
  /** The catalog's word for this service, by which access rules name it. Default: `key-manager`. */
  readonly serviceType?: string;
  /** For each request to Keystone. Default: 5,000. */
  readonly timeoutMs?: number;
  /** How often a request that got no answer, or a 5xx, is repeated. Default: 2. */
  readonly retries?: number;
  /** Connections to Keystone. Default: 16. */
  readonly maxConnections?: number;
  /** Tokens that may wait for Keystone; more are turned away at once. Default: 1,000. */
  readonly maxPending?: number;
  /** Certificates (PEM) to trust instead of the system's. Default: the system's. */
  readonly ca?: string;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
  /** Waits before a repeated request. */
  readonly delay?: (milliseconds: number) => Promise<void>;
  /** From 0 to 1: spreads the repeated requests of many servers. */
  readonly random?: () => number;
}

const known = [
  "authUrl",
  "credentials",
  "wwwAuthenticateUri",
  "tokenCacheSeconds",
  "maxCachedTokens",
  "serviceTokenRoles",
  "serviceTokenRolesRequired",
  "serviceType",
  "timeoutMs",
  "retries",
  "maxConnections",
  "maxPending",
  "ca",
  "nowMs",
  "delay",
  "random",
] as const satisfies readonly (keyof KeystoneIdentityOptions)[];

/** @throws TypeError naming the option that is missing, misspelled or out of range. */
export function validateKeystoneOptions(options: KeystoneIdentityOptions): void {
  for (const name of Object.keys(options)) {
    if (!known.some((option) => option === name)) {
      throw new TypeError(`keystone identity: unknown option "${name}"${didYouMean(name, known)}`);
    }
  }
  keystoneUrl(options.authUrl);
  if (options.wwwAuthenticateUri !== undefined)
    httpUrl("wwwAuthenticateUri", options.wwwAuthenticateUri);
  const atLeast = (name: keyof KeystoneIdentityOptions, least: number) => {
    const value = options[name];
    if (value === undefined) return;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least) {
      throw new TypeError(`keystone identity: ${name} must be a whole number from ${least} on`);
    }
  };
  atLeast("tokenCacheSeconds", 0);
  atLeast("maxCachedTokens", 1);
  atLeast("timeoutMs", 1);
  atLeast("retries", 0);
  atLeast("maxConnections", 1);
  atLeast("maxPending", 1);
  const { credentials } = options;
  const needed =
    credentials.type === "password"
      ? ([
          ["username", credentials.username],
          ["password", credentials.password],
          ["projectName", credentials.projectName],
        ] as const)
      : ([
          ["id", credentials.id],
          ["secret", credentials.secret],
        ] as const);
  for (const [name, value] of needed) {
    if (typeof value !== "string" || value === "") {
      throw new TypeError(`keystone identity: credentials need ${name}`);
    }
  }
}

/** The address of Keystone's v3 API, without a slash at its end. @throws TypeError */
export function keystoneUrl(authUrl: string): HttpUrl {
  const url = httpUrl("authUrl", authUrl);
  return new URL(url).pathname.endsWith("/v3") ? url : parseHttpUrl(`${url}/v3`);
}

/** The URL for clients goes into a header. @throws TypeError */
export function httpUrl(option: string, text: string): HttpUrl {
  try {
    return parseHttpUrl(text);
  } catch (cause) {
    throw new TypeError(
      `keystone identity: ${option} must be an http or https address without credentials or query: it ${(cause as Error).message}`,
      { cause },
    );
  }
}
