export const area = "interop";
