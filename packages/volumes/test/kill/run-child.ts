import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { MemoryKeyManager, ObjectId } from "@chatelaine/keys";
import { serveKeys } from "./remote-key-manager.ts";

const victim = fileURLToPath(new URL("victim.ts", import.meta.url));

/**
 * Of the victims' programs, so that starting one takes a third of the processor
 * time. Those that are not killed fill it.
 */
const compiled = fileURLToPath(new URL("../../../../node_modules/.cache/victims", import.meta.url));

/** Which call, write or entry is its last; or how long after it began it is killed, wherever it may be then. */
export type Death = number | { readonly afterMs: number };

/** A process that performs a scenario. */
export interface Child {
  /** The scenario's, or `recover`. */
  readonly name: string;
  readonly directory: string;
  readonly death: Death;
  /** The user's own. */
  readonly keys: readonly ObjectId[];
  readonly keyManager: MemoryKeyManager;
}

export interface Life {
  readonly moments: number;
  readonly milliseconds: number;
  /** 3: another process was working on the volume. */
  readonly status: number | null;
  readonly signal: string | null;
}

/** Runs a scenario in a process of its own, whose keys are kept in this one. */
export async function runChild({ name, directory, death, keys, keyManager }: Child): Promise<Life> {
  const dieAt = typeof death === "number" ? death : 0;
  const child = spawn(process.execPath, [victim, name, directory, String(dieAt), ...keys], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  });
  let [moments, began, ended] = [0, 0, 0];
  let killer: NodeJS.Timeout | undefined;
  child.on("message", (message) => {
    if (typeof message !== "object") return;
    if ("began" in message) {
      began = performance.now();
      if (typeof death === "object")
        killer = setTimeout(() => child.kill("SIGKILL"), death.afterMs);
    }
    if ("moments" in message) {
      moments = Number(message.moments);
      ended = performance.now();
    }
  });
  serveKeys(child, keyManager);
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(killer);
  return { moments, milliseconds: ended - began, status, signal };
}
