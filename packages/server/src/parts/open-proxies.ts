import { ConfigError, type ServerConfig } from "../config/config.ts";
import type { ClientAddressesOptions, ForwardedHeader } from "../http/client-addresses.ts";
import { TrustedProxies } from "../http/trusted-proxies.ts";

/** The proxies that may name their client, and where. @throws ConfigError */
export function openProxies(config: ServerConfig): ClientAddressesOptions {
  const header = config.requiredText("listen.forwardedHeader") as ForwardedHeader;
  try {
    const trustedProxies = TrustedProxies.of(config.list("listen.trustedProxies"));
    return { header, ...(trustedProxies && { trustedProxies }) };
  } catch (cause) {
    throw new ConfigError(`listen.trustedProxies: ${(cause as Error).message}`, { cause });
  }
}
