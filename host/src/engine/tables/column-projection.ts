import type { ColumnExpression, ColumnSource } from '@pipeline-host/sdk';
import { identifier, literal, type RowProjection } from '../../delta/index.ts';

/** What `trim` takes for blank at the ends of a text. */
const BLANK = literal(' \t\n\v\f\r');

export interface ColumnProjection {
  readonly projection: RowProjection;
  /** Paths of the fields that are read as text and not below as well. */
  readonly texts: readonly string[];
}

/** A table writer's columns as SQL over the messages of a block. */
export function columnProjection(columns: Readonly<Record<string, ColumnSource>>): ColumnProjection {
  const paths = new MessagePaths(Object.values(columns).flatMap(({ expression }) => pathsOf(expression)));
  return {
    projection: {
      message: paths.structure(),
      columns: Object.fromEntries(Object.entries(columns).map(([column, { expression }]) => [column, sqlOf(expression, paths)])),
      form: 'text',
    },
    texts: paths.texts(),
  };
}

/** How a field stands in the struct of a message: `list` is one of texts. */
type Form = 'VARCHAR' | 'JSON' | 'list';
type Read = { readonly path: string; readonly as: Form };

function pathsOf(expression: ColumnExpression): readonly Read[] {
  switch (expression.kind) {
    case 'text':
      return [{ path: expression.path, as: 'VARCHAR' }];
    case 'json':
      return [{ path: expression.path, as: 'JSON' }];
    case 'joined':
      return [{ path: expression.path, as: 'list' }];
    case 'message':
    case 'constant':
    case 'written-at':
      return [];
    case 'first-of':
    case 'concat':
      return expression.of.flatMap(pathsOf);
    case 'last-part':
    case 'day':
    case 'sha1':
    case 'sha256':
    case 'uuid5':
      return pathsOf(expression.of);
  }
}

interface Node {
  readonly children: Map<string, Node>;
  as: Form | null;
}

/** The fields that are read, so that each message is parsed once, into a struct of just those. */
class MessagePaths {
  readonly #root: Node = { children: new Map(), as: null };

  constructor(reads: readonly Read[]) {
    for (const { path, as } of reads) {
      const node = this.#node(path);
      // Read in two forms, it is taken as JSON, which gives them all.
      node.as = node.as === null || node.as === as ? as : 'JSON';
    }
  }

  #node(path: string): Node {
    let node = this.#root;
    for (const name of path.split('.')) {
      const child = node.children.get(name) ?? { children: new Map(), as: null };
      node.children.set(name, child);
      node = child;
    }
    return node;
  }

  texts(): readonly string[] {
    const textsOf = ({ children, as }: Node, path: string): readonly string[] =>
      children.size === 0 && as === 'VARCHAR'
        ? [path]
        : [...children].flatMap(([name, child]) => textsOf(child, path === '' ? name : `${path}.${name}`));
    return textsOf(this.#root, '');
  }

  /** As `from_json` takes it. A field that is read itself and below is an object there. */
  structure(): object {
    const structureOf = ({ children }: Node): object =>
      Object.fromEntries(
        [...children].map(([name, child]) => [
          name,
          child.children.size > 0 ? structureOf(child) : child.as === 'list' ? ['VARCHAR'] : child.as,
        ]),
      );
    return structureOf(this.#root);
  }

  /** The value as text; of an object or a list its JSON. */
  text(path: string): string {
    const { children, as } = this.#node(path);
    if (children.size > 0) return `json_extract_string(line, ${jsonPath(path)})`;
    return as === 'JSON' ? `(${field(path)} ->> '$')` : field(path);
  }

  /** The value as a list of texts; null where it is no list. */
  list(path: string): string {
    return this.#node(path).as === 'list' && this.#node(path).children.size === 0
      ? field(path)
      : `from_json(${this.json(path)}, '["VARCHAR"]')`;
  }

  json(path: string): string {
    return this.#node(path).children.size > 0 ? `nullif(json_extract(line, ${jsonPath(path)}), 'null'::JSON)` : field(path);
  }
}

function field(path: string): string {
  return ['message', ...path.split('.').map(identifier)].join('.');
}

function jsonPath(path: string): string {
  return literal(['$', ...path.split('.').map((name) => JSON.stringify(name))].join('.'));
}

/** SQL of a text, or of null. */
function sqlOf(expression: ColumnExpression, paths: MessagePaths): string {
  switch (expression.kind) {
    case 'text':
      return unlessBlank(paths.text(expression.path));
    case 'json':
      return `CAST(${paths.json(expression.path)} AS VARCHAR)`;
    case 'message':
      return 'original';
    case 'joined':
      return joinedTexts(paths.list(expression.path), expression);
    case 'last-part':
      return trimmed(`split_part(${sqlOf(expression.of, paths)}, ${literal(expression.separator)}, -1)`);
    case 'day':
      return dayOf(sqlOf(expression.of, paths));
    case 'first-of':
      return `coalesce(${expression.of.map((one) => sqlOf(one, paths)).join(', ')})`;
    case 'concat':
      return `(${expression.of.map((one) => sqlOf(one, paths)).join(' || ')})`;
    case 'sha1':
    case 'sha256':
      return `${expression.kind}(${sqlOf(expression.of, paths)})`;
    case 'uuid5':
      return uuid5(expression.namespace, sqlOf(expression.of, paths));
    case 'constant':
      return literal(expression.value);
    case 'written-at':
      return 'written_at';
  }
}

/** `trim` of more than spaces takes 0.7 µs a text, so it is asked only about one that begins or ends with something blank. */
function trimmed(sql: string): string {
  return `CASE WHEN ${sql} >= '!' AND right(${sql}, 1) >= '!' THEN ${sql} ELSE nullif(trim(${sql}, ${BLANK}), '') END`;
}

/** A text that begins beyond the blank is not looked through: nearly all do. */
function unlessBlank(sql: string): string {
  return `CASE WHEN ${sql} < '!' AND trim(${sql}, ${BLANK}) = '' THEN NULL ELSE ${sql} END`;
}

/**
 * Blank texts are filtered out only where a text begins with something blank: to filter costs 0.4 µs a list, to look 0.1. The
 * text in place of a list is looked for only where there is no list: to look costs more than all the rest.
 */
function joinedTexts(list: string, { path, separator }: { readonly path: string; readonly separator: string }): string {
  const texts = `list_filter(${list}, lambda one: CASE WHEN one >= '!' THEN true WHEN one IS NULL THEN false ELSE trim(one, ${BLANK}) <> '' END)`;
  const join = (of: string): string => `array_to_string(${of}, ${literal(separator)})`;
  const alone = `json_extract(line, ${jsonPath(path)})`;
  return `CASE WHEN list_min(${list}) >= '!' THEN ${join(list)} WHEN ${list} IS NOT NULL THEN nullif(${join(texts)}, '') WHEN json_type(${alone}) = 'VARCHAR' THEN ${unlessBlank(`(${alone} ->> '$')`)} END`;
}

/** What is no instant stays as it is, for the column to refuse. */
function dayOf(instant: string): string {
  const converted = `coalesce(strftime(CAST(TRY_CAST(${instant} AS TIMESTAMPTZ) AS TIMESTAMP), '%Y-%m-%d'), ${instant})`;
  return `CASE WHEN ends_with(${instant}, 'Z') THEN left(${instant}, 10) ELSE ${converted} END`;
}

function uuid5(namespace: string, name: string): string {
  const digest = `sha1(unhex(${literal(namespace.replaceAll('-', ''))}) || encode(${name}))`;
  const variant = `substr('89ab', (instr('0123456789abcdef', substr(${digest}, 17, 1)) - 1) % 4 + 1, 1)`;
  const parts = [
    `substr(${digest}, 1, 8)`,
    `substr(${digest}, 9, 4)`,
    `'5' || substr(${digest}, 14, 3)`,
    `${variant} || substr(${digest}, 18, 3)`,
    `substr(${digest}, 21, 12)`,
  ];
  return `(${parts.join(" || '-' || ")})`;
}
