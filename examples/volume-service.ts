/**
 * A volume service: PUT /volumes/NAME?size=BYTES makes an encrypted disk with a key of its own, GET shows it, DELETE
 * destroys disk and key. Whoever reaches its port may do so: put your own authentication before it.
 *
 *     OS_CLOUD=devstack node volume-service.ts FOLDER [PORT]
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { KeyManagerError, openKeyManager, settingsFromEnvironment } from "@chatelaine/keys";
import * as volumes from "@chatelaine/volumes";

const [folder = ".", port = "0"] = process.argv.slice(2);
const { caller, ...barbican } = settingsFromEnvironment(process.env);
const ledger = volumes.openLedger({ path: join(folder, "volumes.sqlite") });
const context = { keyManager: openKeyManager({ barbican }), caller, ledger };
for (const { operation, outcome } of await volumes.recover(context))
  console.log(operation, outcome);

const statuses = new Map<string, number>([
  ["exists", 409],
  ["not_a_volume", 404],
  ["invalid_argument", 400],
]);
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", "http://localhost");
  const name = /^\/volumes\/([\w-]{1,64})$/.exec(url.pathname)?.[1];
  const path = join(folder, `${name}.img`);
  try {
    if (name === undefined) return void response.writeHead(404).end();
    const sizeBytes = Number(url.searchParams.get("size"));
    if (request.method === "PUT") await volumes.createVolume(context, { path, sizeBytes });
    const { id, keyId } = await volumes.inspectVolume(path, ledger);
    if (request.method === "DELETE") await volumes.deleteVolume(context, path);
    response.end(JSON.stringify({ id, keyId }));
  } catch (error) {
    const known = error instanceof volumes.VolumeError || error instanceof KeyManagerError;
    if (!known) console.error(error);
    const status = known ? statuses.get(error.code) : undefined;
    response.writeHead(status ?? 500).end(known ? error.message : undefined);
  }
}
const service = createServer((request, response) => void serve(request, response));
service.listen(Number(port), "127.0.0.1", () => console.log(service.address()));
process.once("SIGTERM", () => service.close(() => void ledger.close()));
