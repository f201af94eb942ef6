import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import type { TlsOptions } from "@chatelaine/keys";

/** What one unauthenticated request tells of a service. */
export interface Probe {
  readonly milliseconds: number;
  /** The service's clock minus ours; undefined if it did not say. */
  readonly clockSkewMs: number | undefined;
  /** When its certificate ends; undefined without TLS. */
  readonly certificateEnds: Date | undefined;
}

const timeoutMs = 5_000;

/** Asks for a service's root document, whatever the answer's status. @throws the system's or OpenSSL's error */
export function probe(url: string, tls: TlsOptions): Promise<Probe> {
  const began = performance.now();
  const options = {
    timeout: timeoutMs,
    ...(tls.caFile !== undefined && { ca: readFileSync(tls.caFile) }),
    ...(tls.certificateFile !== undefined && { cert: readFileSync(tls.certificateFile) }),
    ...(tls.keyFile !== undefined && { key: readFileSync(tls.keyFile) }),
    rejectUnauthorized: tls.insecureSkipVerification !== true,
    agent: false as const,
  };
  return new Promise((resolve, reject) => {
    const send = new URL(url).protocol === "https:" ? httpsRequest : httpRequest;
    const outgoing = send(url, options, (incoming) => {
      const date = Date.parse(incoming.headers.date ?? "");
      const ends = (incoming.socket as Partial<TLSSocket>).getPeerCertificate?.().valid_to;
      resolve({
        milliseconds: Math.round(performance.now() - began),
        // The header is cut to the second.
        clockSkewMs: Number.isNaN(date) ? undefined : date + 500 - Date.now(),
        certificateEnds: ends === undefined ? undefined : new Date(ends),
      });
      incoming.destroy();
    });
    outgoing.on("timeout", () => {
      const error = new Error(`no answer within ${timeoutMs / 1000} s`);
      outgoing.destroy(Object.assign(error, { code: "ETIMEDOUT" }));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

/** What can be done about an error of {@link probe}, by its code. */
export function fixOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return mendings.find(([codes]) => codes.test(String(code)))?.[1] ?? mendUrl;
}

const mendUrl = "check the URL, and that the service runs there";
const mendings: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, "check the host's name in the URL, and this host's name service"],
  [/ECONNREFUSED/, "nothing listens there: start the service, or check host and port of the URL"],
  [/TIMEDOUT|HOSTUNREACH|NETUNREACH/, "check the route and the firewalls on the way"],
  [/CERT_HAS_EXPIRED/, "have the service's certificate renewed, or set this host's clock"],
  [/ALTNAME/, "use the name that the certificate is for, or have one made for this name"],
  [
    /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/,
    "name its authority: cacert in clouds.yaml, or OS_CACERT; never switch verification off",
  ],
  [/EPROTO|WRONG_VERSION/, "there is no TLS on that port: the URL may have to begin with http://"],
];
