import {
  BarbicanKeyManager,
  type CloudSettings,
  KeyManagerError,
  type KeystoneCaller,
  SecretBytes,
} from "@chatelaine/keys";
import { type Diagnosis, diagnosed, type Outcome, ok } from "@chatelaine/server/diagnosis";
import { fixOf, type Probe, probe } from "./probe.ts";

const dayMs = 86_400_000;
/** More makes tokens expire early, or not at all. */
const tolerableSkewMs = 60_000;

/** From here to the key manager: who we are, whether it is reached, and what we may do there. */
export async function diagnoseClient(
  settings: CloudSettings,
  options: { readonly tryWriting: boolean },
): Promise<readonly Diagnosis[]> {
  const { caller, tls } = settings;
  if (caller.type === "project") return [];
  const { endpoint, region } = settings;
  const manager = new BarbicanKeyManager({ endpoint, region, interface: settings.interface, tls });
  const found: Diagnosis[] = [];
  if (caller.authUrl !== undefined) found.push(...(await service("identity", caller.authUrl, tls)));
  found.push(await diagnosed("identity", () => identityOf(manager, caller)));
  let base: string | undefined;
  found.push(
    await diagnosed("endpoint", async () => {
      base = await manager.client.connection.endpoint(caller);
      return ok(`${base}, from ${endpoint === undefined ? "the catalog" : "the configuration"}`);
    }),
  );
  if (base === undefined) return found;
  found.push(...(await service("key manager", base, tls)));
  found.push(await diagnosed("API version", () => versionOf(manager, caller)));
  found.push(await diagnosed("reading", () => readingOf(manager, caller)));
  if (options.tryWriting) found.push(await diagnosed("writing", () => writingOf(manager, caller)));
  return found;
}

/** Connection, TLS and clock of one service. */
async function service(
  name: string,
  url: string,
  tls: CloudSettings["tls"],
): Promise<readonly Diagnosis[]> {
  const { origin, protocol, hostname } = new URL(url);
  let seen: Probe;
  try {
    seen = await probe(url, tls);
  } catch (error) {
    const found = `${origin}: ${error instanceof Error ? error.message : String(error)}`;
    return [{ check: `${name}: connection`, state: "bad", found, fix: fixOf(error) }];
  }
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return [
    { check: `${name}: connection`, ...ok(`${origin} answers in ${seen.milliseconds} ms`) },
    {
      check: `${name}: TLS`,
      ...(protocol === "https:"
        ? certificateOf(seen, tls)
        : isLocal
          ? ok("none, and none needed: it is this host")
          : {
              state: "warning",
              found: "none: passwords and keys travel in clear text",
              fix: "give the service a certificate, and its URL https://",
            }),
    },
    { check: `${name}: clock`, ...clockOf(seen) },
  ];
}

function certificateOf({ certificateEnds }: Probe, tls: CloudSettings["tls"]): Outcome {
  if (tls.insecureSkipVerification === true)
    return {
      state: "warning",
      found: "certificates are not verified: anyone on the network path can read every key",
      fix: "remove insecure (or verify: false), and set cacert to the CA",
    };
  const days = Math.floor(((certificateEnds?.getTime() ?? 0) - Date.now()) / dayMs);
  const found = `its certificate is good for ${days} days`;
  return days < 14 ? { state: "warning", found, fix: "have it renewed" } : ok(found);
}

function clockOf({ clockSkewMs }: Probe): Outcome {
  if (clockSkewMs === undefined)
    return { state: "not checked", found: "it did not report its time" };
  const seconds = Math.round(Math.abs(clockSkewMs) / 1000);
  if (Math.abs(clockSkewMs) <= tolerableSkewMs) return ok("within a minute of this host's clock");
  return {
    state: "bad",
    found: `it is ${seconds} s ${clockSkewMs > 0 ? "ahead of" : "behind"} this host: tokens expire early or late`,
    fix: "synchronize both hosts with NTP (Debian: systemd-timesyncd or chrony)",
  };
}

async function identityOf(manager: BarbicanKeyManager, caller: KeystoneCaller): Promise<Outcome> {
  const token = await manager.client.connection.identify(caller);
  if (token.projectId === undefined && caller.type !== "token")
    return {
      state: "bad",
      found: "the token has no project",
      fix: "set project_name and project_domain_name in clouds.yaml, or OS_PROJECT_NAME",
    };
  const roles = token.roles.length > 0 ? token.roles.join(", ") : "none in the token";
  return ok(`user ${token.userId ?? "?"} in project ${token.projectId ?? "?"}, roles: ${roles}`);
}

async function versionOf(manager: BarbicanKeyManager, caller: KeystoneCaller): Promise<Outcome> {
  const version = await manager.client.connection.microversion(caller);
  if (version !== "1.0") return ok(`v1, microversion ${version}`);
  return {
    state: "warning",
    found: "v1 without microversions: consumers of keys cannot be registered there",
    fix: "upgrade the key manager to microversion 1.1 or later",
  };
}

async function readingOf(manager: BarbicanKeyManager, caller: KeystoneCaller): Promise<Outcome> {
  try {
    await manager.client.secrets.list(caller, {}, { limit: 1 });
    return ok("the caller may list the project's secrets");
  } catch (error) {
    return withoutRole(error);
  }
}

async function writingOf(manager: BarbicanKeyManager, caller: KeystoneCaller): Promise<Outcome> {
  try {
    const value = SecretBytes.random(16);
    const id = await manager.store(caller, { type: "opaque", value, name: "chatelaine doctor" });
    try {
      const back = await manager.get(caller, id);
      if (!back.value.equals(value)) return { state: "bad", found: "it gave other bytes back" };
    } finally {
      await manager.delete(caller, id);
    }
    return ok("the caller may store, read and delete a secret");
  } catch (error) {
    return withoutRole(error);
  }
}

function withoutRole(error: unknown): Outcome {
  if (!(error instanceof KeyManagerError) || error.code !== "forbidden") throw error;
  return {
    state: "bad",
    found: error.message,
    fix: "give the user a role in the project: member (secure policy) or creator (legacy policy)",
  };
}
