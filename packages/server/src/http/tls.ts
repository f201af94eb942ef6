import { createSecureContext, Server, type TlsOptions } from "node:tls";
import type { FastifyInstance } from "fastify";
import { serversOf } from "./servers-of.ts";

/** A certificate chain and its private key, PEM. */
export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** How TLS is spoken with a certificate. */
export function tlsOptions({ cert, key }: Certificate): TlsOptions {
  return { cert, key, minVersion: "TLSv1.2" };
}

/** Serves connections that begin from now on with another certificate. @throws OpenSSL's error, and nothing has changed */
export function useCertificate(app: FastifyInstance, certificate: Certificate): void {
  refuseUnusable(certificate);
  for (const server of serversOf(app))
    if (server instanceof Server) server.setSecureContext(tlsOptions(certificate));
}

/** @throws OpenSSL's error for what no server could use */
export function refuseUnusable(certificate: Certificate): void {
  createSecureContext(tlsOptions(certificate));
}
