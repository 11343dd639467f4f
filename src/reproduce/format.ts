/** Numbers as tables show them. */

/** In units of 10⁹. */
export function giga(value: number, digits: number): string {
  return (value / 1e9).toFixed(digits);
}

/** In units of 10⁶, to the last digit. */
export function mega(value: number): string {
  return (value / 1e6).toFixed(6);
}

export function milliseconds(value: number): string {
  return value < 1000 ? `${value.toPrecision(3)} ms` : `${(value / 1000).toPrecision(3)} s`;
}
