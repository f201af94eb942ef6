/** The folder of an image's journal, unless another was asked for. */
export function journalBeside(image: string): string {
  return `${image}.chatelaine`;
}

/** In that folder, the record of work in place that has begun and is not finished. */
export const journalRecordName = "state";
