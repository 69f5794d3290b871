import type { RowInput } from './table.ts';

/**
 * How one column comes out of a message, as data. The host turns a writer's columns into one SQL statement over the bytes
 * of a whole batch, so that no row is ever a JavaScript object.
 *
 * @typeParam Path the paths that it reads; only for types
 */
export interface ColumnSource<Path extends string = string> {
  readonly expression: ColumnExpression;
  readonly paths?: Path;
}

/** A {@link ColumnSource} as the host reads it. */
export type ColumnExpression =
  | { readonly kind: 'text'; readonly path: string }
  | { readonly kind: 'json'; readonly path: string }
  | { readonly kind: 'message' }
  | { readonly kind: 'joined'; readonly path: string; readonly separator: string }
  | { readonly kind: 'last-part'; readonly of: ColumnExpression; readonly separator: string }
  | { readonly kind: 'day'; readonly of: ColumnExpression }
  | { readonly kind: 'first-of'; readonly of: readonly ColumnExpression[] }
  | { readonly kind: 'concat'; readonly of: readonly ColumnExpression[] }
  | { readonly kind: 'sha1'; readonly of: ColumnExpression }
  | { readonly kind: 'sha256'; readonly of: ColumnExpression }
  | { readonly kind: 'uuid5'; readonly namespace: string; readonly of: ColumnExpression }
  | { readonly kind: 'constant'; readonly value: string }
  | { readonly kind: 'written-at' };

/**
 * The paths of a message: `data.claim.number`. Below a field whose type is unknown, any path. A field whose own name holds
 * a dot cannot be named.
 */
export type PathOf<Message> = unknown extends Message
  ? string
  : NonNullable<Message> extends readonly unknown[]
    ? never
    : NonNullable<Message> extends object
      ? {
          [Name in keyof NonNullable<Message> & string]: Name | `${Name}.${PathOf<NonNullable<Message>[Name]>}`;
        }[keyof NonNullable<Message> & string]
      : never;

/** A source for each column of a row; one for a nullable column may be left out, and the column is null then, or kept in a merge. */
export type ColumnsOf<Message, Row> = { readonly [Column in keyof RowInput<Row>]: ColumnSource<PathOf<Message>> };

/**
 * A value as the column's type: text as it is, numbers and booleans by their digits, objects and lists as JSON; null where
 * there is none, and for blank text. A value that the column's type does not take makes the record a dead letter.
 */
export function text<const Path extends string>(path: Path): ColumnSource<Path> {
  return { expression: { kind: 'text', path } };
}

/** A value as JSON text, a text in its quotes; null where there is none. */
export function json<const Path extends string>(path: Path): ColumnSource<Path> {
  return { expression: { kind: 'json', path } };
}

/** The whole message as JSON: the record's own bytes, or what `accepts` upgraded it to. */
export function message(): ColumnSource<never> {
  return { expression: { kind: 'message' } };
}

/** The values of a list as texts, but for null and blank ones, one after the other; a text in place of the list counts as one. Null where there are none. */
export function joined<const Path extends string>(path: Path, separator: string): ColumnSource<Path> {
  return { expression: { kind: 'joined', path, separator } };
}

/** What follows the last separator: `c` of `a.b.c`; the whole text where there is none. Trimmed. */
export function lastPart<Path extends string>(source: ColumnSource<Path>, separator: string): ColumnSource<Path> {
  return { expression: { kind: 'last-part', of: source.expression, separator } };
}

/** The UTC day of an instant: `2026-01-05` of `2026-01-05T23:59:59Z`. */
export function day<Path extends string>(source: ColumnSource<Path>): ColumnSource<Path> {
  return { expression: { kind: 'day', of: source.expression } };
}

/** The first that is not null. */
export function firstOf<Path extends string>(...sources: readonly [ColumnSource<Path>, ...ColumnSource<Path>[]]): ColumnSource<Path> {
  return { expression: { kind: 'first-of', of: sources.map((source) => source.expression) } };
}

/** The texts one after the other; null where any of them is. */
export function concat<Path extends string>(...sources: readonly [ColumnSource<Path>, ...ColumnSource<Path>[]]): ColumnSource<Path> {
  return { expression: { kind: 'concat', of: sources.map((source) => source.expression) } };
}

/** The SHA-1 of the text's UTF-8 bytes, in hex; null of null. */
export function sha1<Path extends string>(source: ColumnSource<Path>): ColumnSource<Path> {
  return { expression: { kind: 'sha1', of: source.expression } };
}

/** The SHA-256 of the text's UTF-8 bytes, in hex; null of null. */
export function sha256<Path extends string>(source: ColumnSource<Path>): ColumnSource<Path> {
  return { expression: { kind: 'sha256', of: source.expression } };
}

/** The UUID of version 5 (RFC 9562) of the text in a namespace, which is a UUID itself; null of null. */
export function uuid5<Path extends string>(namespace: string, source: ColumnSource<Path>): ColumnSource<Path> {
  return { expression: { kind: 'uuid5', namespace, of: source.expression } };
}

/** The same value in every row. */
export function constant(value: string | number | boolean): ColumnSource<never> {
  return { expression: { kind: 'constant', value: String(value) } };
}

/** The time of the write, one value a batch: `2026-01-05T14:22:07.123Z`. */
export function writtenAt(): ColumnSource<never> {
  return { expression: { kind: 'written-at' } };
}
