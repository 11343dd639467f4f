/** Something the caller handed in or asked for cannot be used. `message` says what is wrong, then `advice`, the remedy. */
export class UserError extends Error {
  override readonly name: string = "UserError";
  constructor(
    readonly problem: string,
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(`${problem}. ${advice}`, options);
  }
}

/** An image cannot be read, or does not fit what is to be done with it. */
export class ImageError extends UserError {
  override readonly name = "ImageError";
}
