/** Lines of a table for the terminal: columns as wide as they need, numbers to the right. */
export function tableLines(header: readonly string[], rows: readonly (readonly (string | number)[])[]): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)));
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[], numbers: readonly boolean[]): string =>
    row
      .map((cell, column) => (numbers[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  const isNumeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === '-'),
  );
  return [line(header, isNumeric), ...cells.map((row) => line(row, isNumeric))];
}

/** Prints a list: a table, the words for an empty one, or JSON. */
export function printList<Item>(
  items: readonly Item[],
  options: {
    readonly json: boolean;
    readonly empty: string;
    readonly header: readonly string[];
    row(item: Item): readonly (string | number)[];
  },
): void {
  if (options.json) print(JSON.stringify(items, null, 2));
  else print(items.length === 0 ? options.empty : tableLines(options.header, items.map(options.row)).join('\n'));
}

/** Writes the result of a command. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
