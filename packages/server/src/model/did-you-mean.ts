import { nearestTo } from "@chatelaine/keys/interface";

/** `; did you mean "x"?` for the candidate closest to `word`, or an empty string if none is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = nearestTo(word, candidates);
  return nearest === undefined ? "" : `; did you mean "${nearest}"?`;
}
