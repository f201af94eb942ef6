import type { KeyManager } from "@chatelaine/keys";

/** A key manager, and how long its callers have waited for it. */
export interface TimedKeyManager {
  readonly keyManager: KeyManager;
  /** @returns milliseconds since this was last asked */
  take(): number;
}

export function timed(inner: KeyManager): TimedKeyManager {
  let waitedMs = 0;
  const keyManager = new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== "function") return value;
      return (...args: readonly unknown[]) => {
        const began = performance.now();
        const result: unknown = Reflect.apply(value, target, args);
        if (!(result instanceof Promise)) return result;
        return result.finally(() => {
          waitedMs += performance.now() - began;
        });
      };
    },
  });
  return {
    keyManager,
    take() {
      const ms = waitedMs;
      waitedMs = 0;
      return ms;
    },
  };
}
