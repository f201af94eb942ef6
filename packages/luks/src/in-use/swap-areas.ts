import { type DiskIdentity, identityAt } from "./identity.ts";
import { kernelText, unescaped } from "./kernel-files.ts";

/** A device or file that the kernel swaps to (proc(5), /proc/swaps). */
export interface SwapArea {
  readonly path: string;
  readonly identity: DiskIdentity;
}

export async function swapAreas(): Promise<readonly SwapArea[]> {
  const [, ...lines] = kernelText("/proc/swaps").split("\n");
  const found: SwapArea[] = [];
  for (const line of lines) {
    const [name = ""] = line.split(/\s/, 1);
    const path = unescaped(name);
    const identity = path === "" ? undefined : await identityAt(path);
    if (identity !== undefined) found.push({ path, identity });
  }
  return found;
}
