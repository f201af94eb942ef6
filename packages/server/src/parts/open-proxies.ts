import { type ServerConfig } from "../config/config.ts";
import type { ClientAddressesOptions, ForwardedHeader } from "../http/client-addresses.ts";
import { TrustedProxies } from "../http/trusted-proxies.ts";
import { ServerError } from "../model/server-error.ts";

/** The proxies that may name their client, and where. @throws `invalid_config` */
export function openProxies(config: ServerConfig): ClientAddressesOptions {
  const header = config.requiredText("listen.forwardedHeader") as ForwardedHeader;
  try {
    const trustedProxies = TrustedProxies.of(config.list("listen.trustedProxies"));
    return { header, ...(trustedProxies && { trustedProxies }) };
  } catch (cause) {
    throw new ServerError("invalid_config", `listen.trustedProxies: ${(cause as Error).message}`, {
      cause,
    });
  }
}
