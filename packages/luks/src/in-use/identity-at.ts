import { stat } from "node:fs/promises";
import { FileServers } from "./answering.ts";
import { type DiskIdentity, identityOf } from "./identity.ts";
import { type MountNamespace, mountNamespaces, mountOf, rootOf } from "./mount-namespaces.ts";

/** @returns undefined if nothing is there, or its file server gives no answer */
export async function identityAt(
  path: string,
  namespace: MountNamespace,
  servers: FileServers,
): Promise<DiskIdentity | undefined> {
  const [mount, root] = [mountOf(path, namespace), rootOf(namespace)];
  if (mount !== undefined && !(await servers.answer(mount, root))) return undefined;
  return stat(`${root}${path}`, { bigint: true }).then(identityOf, () => undefined);
}

/**
 * What absolute paths lead to, in their order. Waits for no file server that is away.
 *
 * @returns undefined where nothing is, or what is neither a regular file nor a block device, or a server gives no answer
 */
export async function identitiesAt(
  paths: readonly string[],
): Promise<readonly (DiskIdentity | undefined)[]> {
  const [own = { pid: undefined, mounts: [] }] = mountNamespaces([]);
  const servers = new FileServers();
  return Promise.all(paths.map((path) => identityAt(path, own, servers)));
}
