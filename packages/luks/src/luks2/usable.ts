import { shownText } from "../checked/texts.ts";
import { LuksError } from "../errors.ts";
import type { Luks2Header } from "./load.ts";

/**
 * Refuses a header in a state that we would damage or misread: a re-encryption under way, or a
 * requirement that we do not know (LUKS2 On-Disk Format, section 3.1.1).
 *
 * @throws `in_reencryption`, `unsupported`
 */
export function requireUsable(operation: string, name: string, { metadata }: Luks2Header): void {
  const requirements = metadata.config.requirements?.mandatory ?? [];
  const slotTypes = Object.values(metadata.keyslots).map(({ type }) => type);
  const reencrypts = requirements.some((requirement) => /reencrypt/.test(requirement));
  if (reencrypts || slotTypes.includes("reencrypt")) {
    throw new LuksError(
      "in_reencryption",
      `${operation} ${name}: a re-encryption by another tool is under way`,
    );
  }
  if (requirements.length > 0) {
    throw new LuksError(
      "unsupported",
      `${operation} ${name}: unknown requirement ${shownText(requirements.join(", "))}`,
    );
  }
}
