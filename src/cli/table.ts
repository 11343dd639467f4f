/** Figures in columns. */

/** Three digits. */
export function number(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}

/** Columns under their titles, the first and the last on the left, the others on the right. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const whole = rows.filter((row) => row.length === titles.length);
  const widths = titles.map((title, i) => Math.max(title.length, ...whole.map((row) => (row[i] as string).length)));
  const width = Math.max(widths[0] as number, ...rows.map(([first]) => (first as string).length));
  return [titles, ...rows].map((row) =>
    row
      .map((text, i) => {
        if (i === 0) return text.padEnd(width);
        if (i === titles.length - 1 || row.length < titles.length) return text;
        return text.padStart(widths[i] as number);
      })
      .join("  ")
      .trimEnd(),
  );
}
