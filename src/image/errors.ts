import { MasaError } from "../errors.js";

/** An image cannot be read, or does not fit what is to be done with it. */
export class ImageError extends MasaError {
  override readonly name = "ImageError";
}
