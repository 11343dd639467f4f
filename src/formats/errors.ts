import { UserError } from "../image/errors.js";

/** A file of weights cannot be read, or does not fit the network. */
export class CheckpointError extends UserError {
  override readonly name: string = "CheckpointError";
}
