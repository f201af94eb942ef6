import { it } from "node:test";

it("builds", () => {});
