export const area = "examples";
