import { BarbicanKeyManager } from "@chatelaine/keys";
import { keepsTheKeyManagerPromises } from "@chatelaine/keys/conformance";
import { labCaller } from "../barbican/callers.ts";
import { startBarbicanLab } from "../barbican/lab.ts";

for (const mode of ["legacy", "secure"] as const) {
  keepsTheKeyManagerPromises(`the real Barbican with the ${mode} policy`, async () => {
    const lab = await startBarbicanLab();
    return {
      // Under the legacy policy only admins delete orders; the adapter warns of each that stays.
      manager: new BarbicanKeyManager({ region: lab.regions[mode], warn: () => undefined }),
      alice: labCaller(lab, "demo"),
      bob: labCaller(lab, "demo2"),
      bobUserId: lab.users.demo2.id,
      close: () => lab.stop(),
    };
  });
}
