/** Node's platform with the bench's own shaders, and with shaders replaced by a kernel author's. */
import { readFileSync } from "node:fs";
import type { Platform } from "../src/gpu/device.js";
import { nodePlatform } from "../src/platform/node.js";

const SHADERS = new URL("../../bench/shaders/", import.meta.url);
/** Names of shaders in `bench/shaders`; they are no part of the package. */
export const BENCH_PREFIX = "bench/";

export function benchPlatform(replaced: ReadonlyMap<string, string> = new Map()): Platform {
  return {
    ...nodePlatform,
    shader(name) {
      if (name.startsWith(BENCH_PREFIX))
        return readFileSync(new URL(`${name.slice(BENCH_PREFIX.length)}.wgsl`, SHADERS), "utf8");
      return replaced.get(name) ?? nodePlatform.shader(name);
    },
  };
}
