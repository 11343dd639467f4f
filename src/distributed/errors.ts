import { MasaError } from "../errors.js";

/** The ranks of an MPI job cannot work together: MPI is missing, ranks differ, or one of them failed. */
export class RankError extends MasaError {
  override readonly name = "RankError";
}
