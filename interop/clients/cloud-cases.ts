/** Clouds of clouds.yaml, drawn by a seed, as people and tools write them: in old and new names, here and there, wrongly. */

type Mapping = Record<string, unknown>;

/** What one folder holds; a file that is undefined is not written. */
export interface CloudCase {
  readonly clouds: object;
  readonly secure?: object;
  readonly public?: object;
  /** Differences from openstacksdk that docs and comments of ours name, if the case can have one. */
  readonly excused: readonly Excuse[];
}

/** Why we may refuse what openstacksdk sends, or send what it refuses. */
export type Excuse =
  | "one name in two spellings"
  | "a project under a name that nothing reads"
  | "a scope of the system"
  | "an application credential with a scope"
  | "a domain that is not named is `default`"
  | "default_domain with a plugin of version 3"
  | "the user of a token"
  | "a kind of credentials that is not named is guessed";

/** Draws `count` cases. `addressOf` gives each its Keystone. */
export function cloudCases(
  count: number,
  seed: number,
  addressOf: (index: number) => string,
): readonly CloudCase[] {
  const draw = new Draw(seed);
  return Array.from({ length: count }, (_, index) => cloudCase(draw, addressOf(index)));
}

const scopes = ["project_id", "project_name", "tenant_id", "tenant_name"];
const domains = ["", "user_", "project_", "default_"].flatMap((prefix) => [
  `${prefix}domain_id`,
  `${prefix}domain_name`,
]);

function cloudCase(draw: Draw, address: string): CloudCase {
  const written = new Written(draw);
  const authType = draw.one([
    undefined,
    undefined,
    "password",
    "v3password",
    "token",
    "v3applicationcredential",
  ]);
  if (authType !== undefined)
    written.beside(draw.one(["auth_type", "auth_type", "auth_plugin"]), authType);
  written.put("auth_url", address);
  if (authType === "token") written.put(draw.one(["token", "auth_token"]), "a-token");
  else if (authType === "v3applicationcredential") {
    written.put("application_credential_id", "credential");
    written.put("application_credential_secret", "a-secret");
  } else {
    written.put(draw.one(["username", "username", "user_name", "user_id"]), "alice");
    written.put("password", "a-password");
  }
  for (const name of draw.some(scopes, authType === "v3applicationcredential" ? 0.1 : 0.35))
    written.put(name);
  for (const name of draw.some(domains, 0.15)) written.put(name);
  for (const name of draw.some(["trust_id", "system_scope", "projct_name"], 0.04)) {
    written.put(name, name === "system_scope" ? "all" : undefined);
  }
  for (const name of draw.some(
    ["region_name", "key_manager_region_name", "key_manager_endpoint"],
    0.2,
  )) {
    written.beside(name, name.endsWith("endpoint") ? "http://keys.test" : name);
  }
  for (const name of draw.some(["interface", "endpoint_type", "key_manager_interface"], 0.2)) {
    written.beside(name, draw.one(["public", "internal", "adminURL"]));
  }
  if (draw.chance(0.1)) {
    written.beside("regions", [
      "first",
      { name: "second", values: { auth: { project_name: "of-second" } } },
    ]);
  }
  return written.files(authType);
}

/** A cloud on its way into files. */
class Written {
  readonly #draw: Draw;
  readonly #beside: Mapping = {};
  readonly #auth: Mapping = {};

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  beside(name: string, value: unknown): void {
    this.#beside[name] = value;
  }

  /** Once or twice, in `auth` or beside it, in one spelling or the other. */
  put(name: string, value?: string): void {
    for (let times = this.#draw.chance(0.1) ? 2 : 1; times > 0; times -= 1) {
      const isInside = this.#draw.chance(0.8);
      const spelled = this.#draw.chance(0.25) ? name.replaceAll("_", "-") : name;
      const level = isInside ? this.#auth : this.#beside;
      level[spelled] = value ?? `${spelled} ${isInside ? "in" : "beside"} auth`;
    }
  }

  files(authType: string | undefined): CloudCase {
    const excused = [...this.#excuses(authType)];
    const { secret, open } = this.#partOfAuth();
    const inFile = { ...this.#beside, auth: open };
    if (secret === undefined) return { clouds: { clouds: { one: inFile } }, excused };
    if (this.#draw.chance(0.5)) {
      const secure = { clouds: { one: { auth: secret } } };
      return { clouds: { clouds: { one: inFile } }, secure, excused };
    }
    return {
      clouds: { clouds: { one: { ...inFile, profile: "vendor" } } },
      public: { "public-clouds": { vendor: { auth: secret } } },
      excused,
    };
  }

  /** Sometimes some of `auth` is in another file. */
  #partOfAuth(): { readonly open: Mapping; readonly secret?: Mapping } {
    const names = Object.keys(this.#auth);
    if (names.length === 0 || !this.#draw.chance(0.3)) return { open: this.#auth };
    const moved = this.#draw.one(names);
    const { [moved]: value, ...open } = this.#auth;
    return { open, secret: { [moved]: value } };
  }

  *#excuses(authType: string | undefined): Generator<Excuse> {
    const written = [this.#auth, this.#beside].flatMap((level) => Object.entries(level));
    const given = new Set(written.map(([name]) => name.replaceAll("-", "_")));
    const has = (...names: readonly string[]) => names.some((name) => given.has(name));
    const differs = written.some(([name, value]) =>
      written.some(
        ([other, its]) =>
          other !== name &&
          its !== value &&
          other.replaceAll("-", "_") === name.replaceAll("-", "_"),
      ),
    );
    if (differs) yield "one name in two spellings";
    if (!has("auth_type") && has("token", "auth_token", "application_credential_secret")) {
      yield "a kind of credentials that is not named is guessed";
    }
    if (has("projct_name") && !has(...scopes)) yield "a project under a name that nothing reads";
    if (has("system_scope")) yield "a scope of the system";
    if (
      authType === "v3applicationcredential" &&
      has(...scopes, "domain_id", "domain_name", "trust_id")
    ) {
      yield "an application credential with a scope";
    }
    if (authType === "v3password") yield "a domain that is not named is `default`";
    if (
      authType === "token" &&
      has("domain_id", "domain_name", "user_domain_id", "user_domain_name")
    ) {
      yield "the user of a token";
    }
    if (authType?.startsWith("v3") && has("default_domain_id", "default_domain_name")) {
      yield "default_domain with a plugin of version 3";
    }
  }
}

/** Pseudo-random choices: the same for the same seed, everywhere. */
class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** mulberry32: from 0 up to 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  one<T>(items: readonly T[]): T {
    const chosen = Math.floor(this.#next() * items.length);
    for (const [index, item] of items.entries()) if (index === chosen) return item;
    throw new Error("draw: there is nothing to choose from");
  }

  some<T>(items: readonly T[], probability: number): readonly T[] {
    return items.filter(() => this.chance(probability));
  }
}
