import { encodeKeyPart, type IndexKey } from "../values/key.ts";
import type { Hit } from "./topHits.ts";

/** A key that orders hits as results are ordered: score, creation time and id, all descending. For cursors. */
export function keyOfHit({ score, creationTime, id }: Hit): IndexKey {
  let inverted = "";
  for (let i = 0; i < id.length; i++) inverted += String.fromCharCode(0xff - id.charCodeAt(i));
  return encodeKeyPart(-score) + encodeKeyPart(-creationTime) + inverted;
}
