export const packageName = "volumes";
