import { keepsTheKeyManagerPromises } from "../../src/conformance/index.ts";
import { FakeCloud } from "./cloud.ts";

for (const microversion of ["1.0", "1.1", "1.2"] as const) {
  keepsTheKeyManagerPromises(`the adapter on a fake Barbican ${microversion}`, async () => {
    const cloud = await FakeCloud.start();
    cloud.barbican.microversion = microversion;
    return {
      manager: cloud.manager(),
      alice: cloud.caller(),
      bob: cloud.bob(),
      bobUserId: "bob",
      close: () => cloud.stop(),
    };
  });
}
