import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { ServerConfig } from "../config/config.ts";
import { type PublicUrl, parsePublicUrl } from "../config/public-url.ts";
import { firstNames } from "../identity/builtin/first-start.ts";
import { ServerError } from "../model/server-error.ts";
import { askPublicAddress } from "./ask-public-address.ts";
import { callControl } from "./control.ts";
import { type Diagnosis, diagnosed, type Outcome, ok } from "./diagnosis.ts";
import { controlPath } from "./run-command.ts";

/** Checks that the addresses for clients lead here. */
export async function diagnoseAddresses(config: ServerConfig): Promise<readonly Diagnosis[]> {
  const { runs, told } = await askRunning(config);
  const address = told ?? config.publicUrl(config.integer("listen.port"));
  return [
    await diagnosed("public address", () => publicAddressOf(config, address, runs)),
    ...(config.text("identity.mode") === "builtin"
      ? [await diagnosed("clouds.yaml", () => cloudsFileOf(config, address))]
      : []),
  ];
}

/** Whether a server runs, and what it tells its clients, if it says so: one of an earlier version does not. */
async function askRunning(
  config: ServerConfig,
): Promise<{ readonly runs: boolean; readonly told?: PublicUrl }> {
  try {
    const answered = await callControl(controlPath(config), "public url", []);
    if (typeof answered?.result !== "string") return { runs: answered !== undefined };
    return { runs: true, told: parsePublicUrl(answered.result) };
  } catch (error) {
    // Why else it cannot be asked is what the check of the server itself finds.
    return { runs: error instanceof ServerError };
  }
}

async function publicAddressOf(
  config: ServerConfig,
  address: PublicUrl,
  runs: boolean,
): Promise<Outcome> {
  if (config.tellsLocalhost)
    return {
      state: "warning",
      found: `${address}: others than this host are served, and told that address`,
      fix: "set publicUrl to the address that clients use",
    };
  if (!runs) return { state: "not checked", found: `${address}: no server runs` };
  const file = config.text("tls.certificateFile");
  return askPublicAddress(address, file === undefined ? undefined : readFileSync(file, "utf8"));
}

function cloudsFileOf(config: ServerConfig, address: PublicUrl): Outcome {
  const path = join(config.requiredText("dataDirectory"), "clouds.yaml");
  if (!existsSync(path)) return ok(`${path}: not there`);
  const named = addressIn(readFileSync(path, "utf8"));
  if (named === undefined) return ok(`${path}: has no cloud ${firstNames.cloud}`);
  // With port 0 each start has another.
  const isKnown = [address, ...config.acceptedAddresses()].includes(named);
  if (isKnown || new URL(address).port === "0") return ok(`${path}: names ${named}`);
  return {
    state: "warning",
    found: `${path}: names ${named}, and clients are told ${address}`,
    fix: `set auth_url there, and in copies of it, to ${address}/v3`,
  };
}

/** Where the first user's cloud is; undefined if the file names no such place. */
function addressIn(text: string): PublicUrl | undefined {
  const document = parse(text, { logLevel: "error" }) as {
    readonly clouds?: Readonly<Record<string, { readonly auth?: { readonly auth_url?: unknown } }>>;
  } | null;
  const authUrl = document?.clouds?.[firstNames.cloud]?.auth?.auth_url;
  if (typeof authUrl !== "string") return undefined;
  try {
    return parsePublicUrl(authUrl.replace(/\/+(?:v3\/*)?$/, ""));
  } catch {
    return undefined;
  }
}
