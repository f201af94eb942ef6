export const packageName = "luks";
