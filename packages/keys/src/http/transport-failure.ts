/** Thrown by our own transport. Its message holds nothing of the request. */
export class TransportError extends Error {
  override readonly name = "TransportError";
}

const hints = new Map([
  ["ECONNREFUSED", "nothing listens there: is the service up, and the URL right?"],
  ["ENOTFOUND", "no such host: check the URL"],
  ["EAI_AGAIN", "the host name cannot be resolved now"],
  ["EHOSTUNREACH", "no route to this host: check the URL and the network"],
  ["ENETUNREACH", "no route to this network: check the URL and the network"],
  ["ECONNRESET", "the connection was closed before the answer came"],
  ["EPIPE", "the connection was closed before the answer came"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate is not trusted: set tls.caFile to its CA"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "its certificate is not trusted: set tls.caFile to its CA"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is self-signed: set tls.caFile to it"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate is not trusted: set tls.caFile to its CA"],
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host"],
  ["EPROTO", "it does not speak TLS as expected: is it http rather than https?"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "it does not speak TLS: is it http rather than https?"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "it does not speak TLS: is it http rather than https?"],
  ["HPE_INVALID_CONSTANT", "it does not speak HTTP: is it https rather than http?"],
]);

/** Codes of failures before a request was sent, in addition to those of `connect` and name resolution. */
const unconnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|CERT_|ERR_TLS_CERT|ERR_SSL_WRONG|ERR_SSL_PACKET)/;

/** What is known of an exchange that failed without a whole response. */
export interface TransportFailure {
  /** For people. */
  readonly reason: string;
  /** True if the request cannot have reached the service. */
  readonly neverSent: boolean;
  /** To keep as an error's cause. */
  readonly cause: Error;
}

/**
 * Reads off a transport's error what may be repeated. The error itself is not
 * kept: `fetch` quotes a header that it does not like, and others attach the
 * whole request, identity token included.
 */
export function transportFailure(thrown: unknown): TransportFailure {
  if (thrown instanceof TransportError) {
    return { reason: thrown.message, neverSent: false, cause: thrown };
  }
  const coded = codedError(thrown);
  if (coded === undefined) {
    const kind = thrown instanceof Error ? thrown.name : typeof thrown;
    return { reason: `no answer (${kind})`, neverSent: false, cause: new TransportError(kind) };
  }
  const { code } = coded;
  return {
    reason: hints.get(code) ?? `no answer (${code})`,
    neverSent: unconnected.test(code),
    cause: Object.assign(new TransportError(code), { code }),
  };
}

function codedError(thrown: unknown, depth = 0): { readonly code: string } | undefined {
  if (!(thrown instanceof Error) || depth > 8) return undefined;
  if ("code" in thrown && typeof thrown.code === "string" && /^[A-Z0-9_]{2,60}$/.test(thrown.code))
    return { code: thrown.code };
  return codedError(thrown.cause, depth + 1);
}
