import { hostileImages } from "./hostile.ts";
import type { Image } from "./image.ts";
import { luks1Changed, luks1Valid } from "./luks1.ts";
import { luks2Changed } from "./luks2-changed.ts";
import { luks2Copies } from "./luks2-copies.ts";
import { luks2Valid } from "./luks2-valid.ts";
import { madeByCryptsetup } from "./made-by-cryptsetup.ts";

/** All images, in the order in which they are judged. @param step 1 takes every hostile value */
export function allImages(seed: number, step: number): readonly Image[] {
  return [
    ...luks1Valid,
    ...luks1Changed,
    ...luks2Valid,
    ...luks2Copies,
    ...luks2Changed,
    ...madeByCryptsetup,
    ...hostileImages(seed, step),
  ];
}
