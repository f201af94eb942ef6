import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { PublicUrl } from "../config/public-url.ts";
import { type Outcome, ok } from "./diagnosis.ts";

const timeoutMs = 5_000;

/** In bytes. A list of versions has about 400. */
const maxBodyBytes = 65_536;

/**
 * Asks a server's public address for its list of versions, as clients do, and says whether this server answered: its links
 * begin with the address that it tells its clients.
 *
 * @param certificate PEM of the server's own, to be trusted where this host does not know its authority
 */
export async function askPublicAddress(
  address: PublicUrl,
  certificate: string | undefined,
): Promise<Outcome> {
  try {
    return judge(address, await ask(address, undefined));
  } catch (error) {
    if (certificate === undefined || !isUnknownAuthority(error)) return unreachable(address, error);
  }
  try {
    const found = judge(address, await ask(address, certificate));
    return found.state === "ok"
      ? ok(`${found.found}; clients must be given its certificate, or its authority's`)
      : found;
  } catch (error) {
    return unreachable(address, error);
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(address: PublicUrl, ca: string | undefined): Promise<Answer> {
  const send = address.startsWith("https:") ? httpsRequest : httpRequest;
  const options = {
    headers: { accept: "application/json" },
    agent: false as const,
    signal: AbortSignal.timeout(timeoutMs),
    ...(ca !== undefined && { ca }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = send(`${address}/`, options, (incoming) => {
      readBody(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, body }),
        reject,
      );
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of incoming.setEncoding("utf8") as AsyncIterable<string>) {
    body += chunk;
    if (body.length > maxBodyBytes) break;
  }
  return body;
}

function judge(address: PublicUrl, { status, body }: Answer): Outcome {
  const link = linkIn(body);
  if (status === 300 && link === `${address}/v1/`) return ok(`${address} leads to this server`);
  if (status === 300 && link !== undefined)
    return {
      state: "bad",
      found: `${address}: a server answers there whose clients are told another address`,
      fix: "set publicUrl to the address that clients use for this server, and the same on all servers of one database",
    };
  if (status >= 301 && status < 400)
    return {
      state: "warning",
      found: `${address}: it redirects (status ${status}), which clients do not follow when they store`,
      fix: "set publicUrl to the address that it redirects to",
    };
  return {
    state: "warning",
    found: `${address}: its answer (status ${status}) is not this server's list of versions`,
    fix: "correct publicUrl, or the proxy: one that serves a path must remove the path before it passes a request on",
  };
}

/** Where the answer says that version 1 of the key manager is. Identity may be listed beside it. */
function linkIn(body: string): string | undefined {
  try {
    const { versions } = JSON.parse(body) as {
      readonly versions?: { readonly values?: readonly Version[] };
    };
    return versions?.values?.find(({ id }) => id === "v1")?.links?.[0]?.href;
  } catch {
    return undefined;
  }
}

interface Version {
  readonly id?: string;
  readonly links?: readonly { readonly href?: string }[];
}

function isUnknownAuthority(error: unknown): boolean {
  return /SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/.test(codeOf(error));
}

function unreachable(address: PublicUrl, error: unknown): Outcome {
  const code = codeOf(error);
  const found = `${address}: ${code === "" ? `no answer within ${timeoutMs / 1_000} s` : code}`;
  const fix = mendings.find(([codes]) => codes.test(code))?.[1];
  return {
    state: "warning",
    found,
    fix: fix ?? "set publicUrl to the address that clients use, or let this host reach it, too",
  };
}

const mendings: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, "set publicUrl to a name that clients know; this host does not know it"],
  [/ALTNAME/, "set publicUrl to a name that the certificate is for"],
  [/CERT_HAS_EXPIRED/, "have the certificate renewed, and reload the server"],
  [/SELF_SIGNED|UNABLE_TO/, "give this host, and clients, the authority of the certificate there"],
  [
    /EPROTO|WRONG_VERSION/,
    "there is no TLS on that port: publicUrl may have to begin with http://",
  ],
];

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && code !== "ABORT_ERR" ? code : "";
}
