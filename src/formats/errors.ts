import { MasaError } from "../errors.js";

/** A file of weights cannot be read, or does not fit the network. */
export class CheckpointError extends MasaError {
  override readonly name: string = "CheckpointError";
}
