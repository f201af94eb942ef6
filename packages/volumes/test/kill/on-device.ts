// Runs inside the guest kernel, as root, with CHATELAINE_KILL_DEVICE set: `node on-device.ts`. The scenarios of
// kill.test.ts on a logical volume: a sample of their moments, and random instants.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { scenarios } from "./scenarios.ts";
import { survive } from "./survive.ts";

const device = process.env["CHATELAINE_KILL_DEVICE"] ?? "";
const asked = process.env["CHATELAINE_KILLS"] ?? "2";
const sample = asked === "all" ? Number.POSITIVE_INFINITY : Number(asked);
/** What devices.ts kills, too, is left to it unless all is asked for. */
const elsewhere = asked === "all" ? [] : ["create", "delete", "rekey", "re-encrypt"];
const chosen = scenarios.filter(
  ({ name, onlyFiles }) => onlyFiles !== true && !elsewhere.includes(name),
);
let kills = 0;
const onKill = () => void kills++;

execFileSync("pvcreate", ["-q", "/dev/ubda"]);
execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
execFileSync("lvcreate", ["-q", "-y", "-L", "20M", "-n", "disk", "vg"]);
for (const scenario of chosen) {
  const { moments, milliseconds } = await survive(scenario, 0, { device });
  assert.ok(moments > 10, `only ${moments} moments`);
  const stride = Math.max(1, Math.floor(moments / sample));
  for (let moment = Math.ceil(stride / 2); moment <= moments; moment += stride) {
    await survive(scenario, moment, { device, onKill });
  }
  await survive(scenario, { afterMs: Math.random() * milliseconds }, { device, onKill });
  console.log(`${scenario.name}: ${kills} kills so far`);
}
console.log(`kills: ${kills}`);
