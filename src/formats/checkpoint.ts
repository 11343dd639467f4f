/** What makes a safetensors file a checkpoint of a training run: its metadata. */
import { CheckpointError } from "./errors.js";
import type { Safetensors } from "./safetensors.js";

export const FORMAT = "masa-webgpu checkpoint";
export const VERSION = 1;

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Whether a file says that it is a checkpoint of a training run. */
export function isCheckpoint({ metadata }: Safetensors): boolean {
  return metadata.get("format") === FORMAT;
}

/**
 * Whatever else than tensors a run depends on; undefined where the file has lost it. `name` is what errors call the file.
 * Throws `CheckpointError` where it is no checkpoint, or one of a later version.
 */
export function parseState(file: Safetensors, name: string): { readonly [key: string]: JsonValue } | undefined {
  if (!isCheckpoint(file))
    throw new CheckpointError(`${name} is no checkpoint of a training run`, "Give one that masa train has written");
  const version = file.metadata.get("version");
  if (Number(version) > VERSION)
    throw new CheckpointError(
      `${name} is a checkpoint of version ${version}; this program reads version ${VERSION}`,
      "Update masa-webgpu",
    );
  try {
    const state: unknown = JSON.parse(file.metadata.get("state") ?? "");
    const isRecord = typeof state === "object" && state !== null && !Array.isArray(state);
    return isRecord ? (state as { readonly [key: string]: JsonValue }) : undefined;
  } catch {
    return undefined;
  }
}
