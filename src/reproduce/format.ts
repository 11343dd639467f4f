/** Numbers as tables show them. */

/** In units of 10⁹. */
export function giga(value: number, digits: number): string {
  return (value / 1e9).toFixed(digits);
}

/** In units of 10⁶, to the last digit. */
export function mega(value: number): string {
  return (value / 1e6).toFixed(6);
}
