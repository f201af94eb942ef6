import { readFileSync } from "node:fs";
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { createSecureContext } from "node:tls";
import { KeyManagerError } from "../model/errors.ts";
import { refuseUnknownOptions } from "../model/options.ts";
import { TransportError } from "./transport-failure.ts";

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

/** An answer, whole. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** One exchange: no redirect followed, no retry. Rejects if no whole response came. */
export type Send = (request: HttpRequest) => Promise<HttpResponse>;

/** How a server's certificate is checked, and ours presented. All paths are of PEM files, read once. */
export interface TlsOptions {
  /** Certificates to trust instead of the platform's. */
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Accepts any certificate, so that anyone on the way can read every key. Default false. */
  readonly insecureSkipVerification?: boolean | undefined;
}

/** A response larger than this is refused: no document of Keystone or Barbican comes near it. */
const maxBodyBytes = 16 * 1024 * 1024;

/** To one server at once; more would only queue there, or overflow its queue (uWSGI's default is 100). */
const maxSockets = 32;

/** Less than common servers' keep-alive time-outs (nginx 75 s, Node.js 5 s), so that they rarely close under us. */
const idleConnectionMs = 4_000;

/**
 * Sends with the platform's `node:http` and `node:https`; connections are kept
 * open and reused, and do not keep the process alive.
 *
 * @throws `invalid_argument` if a TLS file cannot be read or is no PEM.
 */
export function nodeSend(tls: TlsOptions = {}): Send {
  refuseUnknownOptions("tls", tls, [
    "caFile",
    "certificateFile",
    "keyFile",
    "insecureSkipVerification",
  ]);
  const keepAlive = {
    keepAlive: true,
    timeout: idleConnectionMs,
    maxSockets,
    scheduling: "lifo",
  } as const;
  const httpAgent = new HttpAgent(keepAlive);
  const httpsAgent = new HttpsAgent({
    ...keepAlive,
    minVersion: "TLSv1.2",
    ...readTlsFiles(tls),
    rejectUnauthorized: tls.insecureSkipVerification !== true,
  });
  return ({ method, url, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const options = {
        method,
        headers: { ...headers, "content-length": String(body?.length ?? 0) },
        signal,
      };
      const request: ClientRequest =
        url.protocol === "https:"
          ? httpsRequest(url, { ...options, agent: httpsAgent })
          : httpRequest(url, { ...options, agent: httpAgent });
      // Not once: a connection that is torn down may report it twice.
      request.on("error", reject);
      request.once("response", (response) => {
        readAll(response).then(resolve, (error: unknown) => {
          request.destroy();
          reject(error);
        });
      });
      request.end(body);
    });
}

/** Sends with any `fetch`: a test's, or one with a proxy or tracing in it. */
export function fetchSend(fetch: typeof globalThis.fetch): Send {
  return async ({ method, url, headers, body, signal }) => {
    const response = await fetch(url, {
      method,
      headers,
      redirect: "manual",
      signal,
      ...(body !== undefined && { body: body as Uint8Array<ArrayBuffer> }),
    });
    return {
      status: response.status,
      headers: new Map(response.headers),
      body: await collect(response.body ?? []),
    };
  };
}

async function readAll(response: IncomingMessage): Promise<HttpResponse> {
  const body = await collect(response as AsyncIterable<Uint8Array>);
  if (!response.complete) {
    throw new TransportError("the connection was closed in the middle of the response");
  }
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return { status: response.statusCode ?? 0, headers, body };
}

async function collect(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > maxBodyBytes) {
      throw new TransportError(`the response is larger than ${maxBodyBytes} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function readTlsFiles({ caFile, certificateFile, keyFile }: TlsOptions) {
  if (keyFile !== undefined && certificateFile === undefined) {
    throw invalid("tls keyFile: there is no certificateFile that it belongs to");
  }
  const ca = readPem("caFile", caFile);
  const cert = readPem("certificateFile", certificateFile);
  const key = readPem("keyFile", keyFile ?? certificateFile);
  refuseUnless("caFile", caFile, "holds no PEM certificate", () => {
    if (ca !== undefined) createSecureContext({ ca });
    // OpenSSL takes a file without any certificate for an empty list.
    if (ca?.includes("-----BEGIN ") === false) throw new Error("no PEM");
  });
  refuseUnless("certificateFile", certificateFile, "and its key are no PEM, or no pair", () =>
    createSecureContext({ cert, key }),
  );
  return { ca, cert, key };
}

function refuseUnless(
  option: string,
  path: string | undefined,
  reason: string,
  check: () => unknown,
): void {
  if (path === undefined) return;
  try {
    check();
  } catch {
    throw invalid(`tls ${option}: ${path} ${reason}`);
  }
}

function readPem(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw invalid(`tls ${option}: cannot read ${path}`, cause);
  }
}

function invalid(message: string, cause?: unknown): KeyManagerError {
  return new KeyManagerError("invalid_argument", message, { cause });
}
