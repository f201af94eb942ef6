import { FileServers } from "./answering.ts";
import type { DiskIdentity } from "./identity.ts";
import { identityAt } from "./identity-at.ts";
import { kernelText, unescaped } from "./kernel-files.ts";
import type { MountNamespace } from "./mount-namespaces.ts";

/** A device or file that the kernel swaps to (proc(5), /proc/swaps). */
export interface SwapArea {
  readonly path: string;
  readonly identity: DiskIdentity;
}

/** @param own namespace of mounts */
export async function swapAreas(own: MountNamespace | undefined): Promise<readonly SwapArea[]> {
  const [, ...lines] = kernelText("/proc/swaps").split("\n");
  if (own === undefined) return [];
  const servers = new FileServers();
  const found: SwapArea[] = [];
  for (const line of lines) {
    const [name = ""] = line.split(/\s/, 1);
    const path = unescaped(name);
    const identity = path === "" ? undefined : await identityAt(path, own, servers);
    if (identity !== undefined) found.push({ path, identity });
  }
  return found;
}
