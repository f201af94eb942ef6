export const area = "bench";
