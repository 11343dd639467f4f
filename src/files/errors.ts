/** Errors about files. `ImageError` lives with the images; it is repeated here so that one import has them all. */
import { UserError } from "../image/errors.js";

export { ImageError, UserError } from "../image/errors.js";

/** A file of weights cannot be read, or does not fit the network. */
export class CheckpointError extends UserError {
  override readonly name: string = "CheckpointError";
}

/** A file cannot be written. */
export class OutputError extends UserError {
  override readonly name = "OutputError";
}
