import type { ChildProcess } from "node:child_process";
import {
  type ConsumerTracking,
  type KeyManager,
  KeyManagerError,
  type KeyManagerErrorCode,
  type MemoryKeyManager,
  SecretBytes,
} from "@chatelaine/keys";

/** A call that crosses from the process that will be killed to the one that keeps the keys. */
interface Request {
  readonly id: number;
  readonly method: string | undefined;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly code?: KeyManagerErrorCode;
  readonly message?: string;
}

type AnyMethod = (...args: unknown[]) => unknown;

/** Keeps keys for a child, in this process: they outlive it. */
export function serveKeys(child: ChildProcess, manager: MemoryKeyManager): void {
  child.on("message", (message) => {
    const { id, method, args } = message as Request;
    // Others tell how far the child has come.
    if (method === undefined) return;
    void answer(manager, method, args)
      .then((value): Reply => ({ id, value }))
      .catch((error: KeyManagerError): Reply => ({ id, code: error.code, message: error.message }))
      // A killed child hears nothing any more.
      .then((reply) => child.connected && child.send(reply, () => undefined));
  });
}

async function answer(
  manager: MemoryKeyManager,
  method: string,
  args: readonly unknown[],
): Promise<unknown> {
  const call = (manager as unknown as Record<string, AnyMethod>)[method] as AnyMethod;
  if (method === "list") {
    return Array.fromAsync(call.apply(manager, [...args]) as AsyncIterable<unknown>);
  }
  if (method === "store") {
    const object = args[1] as { readonly value: Uint8Array };
    return call.apply(manager, [args[0], { ...object, value: new SecretBytes(object.value) }]);
  }
  const value = await (call.apply(manager, [...args]) as Promise<unknown>);
  if (method !== "get") return value;
  const stored = value as { readonly value: SecretBytes };
  return { ...stored, value: stored.value.use((bytes) => Uint8Array.from(bytes)) };
}

/** In the child: the key manager that its parent serves. `moment` is told before and after each call. */
export function remoteKeyManager(moment: (what: string) => void): KeyManager & ConsumerTracking {
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  process.on("message", (message) => {
    const reply = message as Reply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    moment(`before ${method}`);
    const id = ++last;
    const reply = await new Promise<Reply>((resolve) => {
      waiting.set(id, resolve);
      process.send?.({ id, method, args } satisfies Request);
    });
    moment(`after ${method}`);
    if (reply.code !== undefined) throw new KeyManagerError(reply.code, reply.message ?? "");
    return reply.value;
  };
  const calls = {
    get: async (...args: readonly unknown[]) => {
      const stored = (await call("get", args)) as { readonly value: Uint8Array };
      return { ...stored, value: new SecretBytes(stored.value) };
    },
    store: (caller: unknown, object: { readonly value: SecretBytes }) =>
      call("store", [
        caller,
        { ...object, value: object.value.use((bytes) => Uint8Array.from(bytes)) },
      ]),
    async *list(...args: readonly unknown[]) {
      yield* (await call("list", args)) as readonly unknown[];
    },
  };
  const plain = ["createKey", "describe", "delete", "addConsumer", "removeConsumer"].map(
    (method) => [method, (...args: readonly unknown[]) => call(method, args)] as const,
  );
  return { ...Object.fromEntries(plain), ...calls } as unknown as KeyManager & ConsumerTracking;
}
