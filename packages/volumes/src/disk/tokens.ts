import { type LuksHeader, parseChatelaineToken } from "@chatelaine/luks";

/** A chatelaine token of a header, and its number. */
export interface NumberedToken {
  readonly id: number;
  readonly keyslots: readonly number[];
  readonly object: string;
}

/** The chatelaine tokens of a header. */
export function tokensOf(header: LuksHeader): NumberedToken[] {
  return header.tokens.flatMap(({ id, token }) => {
    const parsed = parseChatelaineToken(token);
    return parsed === undefined ? [] : [{ id, keyslots: parsed.keyslots, object: parsed.object }];
  });
}
