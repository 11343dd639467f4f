/** Errors about files. Those about their content live with the formats and the images; here one import has them all. */
import { MasaError } from "../errors.js";

export { CheckpointError } from "../formats/errors.js";
export { ImageError } from "../image/errors.js";

/** A file cannot be written. */
export class OutputError extends MasaError {
  override readonly name = "OutputError";
}
